// expected: posttrain: a Loss that moves with the run needs `first_state`, `next_state` and `in_state` [docs/concepts.md#loss]
// SPDX-License-Identifier: Apache-2.0
// A loss whose state has no step.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyLoss {
  using Batch = TokenBatch;
  static constexpr bool row_local = false;
  double count(const Batch& batch) const;
  Tensor sum(const Scores& scores, const Batch& batch) const;
  std::vector<double> first_state() const;
#ifdef LEGAL
  std::vector<double> next_state(const std::vector<double>& state,
                                 const std::vector<std::pair<std::string, double>>& metrics) const;
#endif
  MyLoss in_state(const std::vector<double>& state) const;
};

int main() {
  return check_trainer<fake::Model, MyLoss, fake::Params, fake::Data, fake::Optimizer>() ? 0 : 1;
}
