// expected: posttrain: this Loss is on rewards and this Model predicts tokens; take a hub::RewardModel [docs/models.md#reward-models]
// SPDX-License-Identifier: Apache-2.0
// A loss on rewards with a language model.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct OwnRewards : TokenBatch {
  static constexpr bool predicts_rewards = true;
  OwnRewards slice(std::int64_t begin, std::int64_t end) const;
  OwnRewards to(c10::Device device) const;
};
struct RewardLoss {
  using Batch = OwnRewards;
  static constexpr bool row_local = false;
  double count(const Batch& batch) const;
  Tensor sum(const Scores& scores, const Batch& batch) const;
};
struct Rewards {
  using Batch = OwnRewards;
  fake::Stream<Batch> open(const data::LoadContext& context,
                           std::int64_t effective_batch_size) const;
};
#ifdef LEGAL
struct Model : fake::Model {
  static constexpr bool predicts_rewards = true;
};
#else
using Model = fake::Model;
#endif

int main() {
  return check_trainer<Model, RewardLoss, fake::Params, Rewards, fake::Optimizer>() ? 0 : 1;
}
