// expected: posttrain: Loss needs `static constexpr bool row_local` [docs/concepts.md#loss]
// SPDX-License-Identifier: Apache-2.0
// A loss that does not say whether its rows are independent.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyLoss {
  using Batch = TokenBatch;
#ifdef LEGAL
  static constexpr bool row_local = false;
#endif
  double count(const Batch& batch) const;
  Tensor sum(const Scores& scores, const Batch& batch) const;
};

int main() {
  return check_trainer<fake::Model, MyLoss, fake::Params, fake::Data, fake::Optimizer>() ? 0 : 1;
}
