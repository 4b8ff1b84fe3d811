// expected: posttrain: a policy's ratio needs `Tensor operator()(const Tensor& log_ratio, const Tensor& advantage, const RolloutBatch&) const` and `static constexpr bool row_local` [docs/losses.md#policy-terms]
// SPDX-License-Identifier: Apache-2.0
// A ratio that does not say whether it reads other predictions.
#include "posttrain/losses/policy_loss.hpp"

using namespace posttrain;

struct MyRatio {
#ifdef LEGAL
  static constexpr bool row_local = true;
#endif
  Tensor operator()(const Tensor& log_ratio, const Tensor&, const RolloutBatch&) const {
    return 0.5 * log_ratio;
  }
};

int main() {
  const PolicyLoss<Clip, MyRatio> loss;
  return loss.max_length == 0 ? 0 : 1;
}
