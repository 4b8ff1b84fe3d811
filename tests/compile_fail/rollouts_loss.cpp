// expected: posttrain: a Loss on rollouts needs `Advantages advantages(const Rollout&) const` and `RolloutNeeds rollout_needs() const` [docs/concepts.md#rollouts]
// SPDX-License-Identifier: Apache-2.0
// A loss on batches of rollouts that makes no advantages of rewards.
#include "posttrain/data/rollouts.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/rewards/numeric_answer.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

struct Mine {
  using Batch = RolloutBatch;
  static constexpr bool row_local = true;
  double count(const RolloutBatch& batch) const { return batch.counted; }
  Tensor sum(const Scores& scores, const RolloutBatch& batch) const {
    return -(scores.logp * batch.advantage * batch.weight).sum();
  }
#ifdef LEGAL
  Advantages advantages(const Rollout&) const { return {}; }
  RolloutNeeds rollout_needs() const { return {}; }
#endif
};

int main() {
  Trainer trainer(models::Decoder(models::DecoderConfig{}), Mine{}, Full{},
                  Rollouts<NumericAnswer>{}, AdamW{});
  return trainer.train().loss < 1.0 ? 0 : 1;
}
