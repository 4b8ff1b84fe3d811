// expected: posttrain: Loss needs `double count(const Batch&) const` [docs/concepts.md#loss]
// SPDX-License-Identifier: Apache-2.0
// A loss that does not know its divisor.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyLoss {
  using Batch = TokenBatch;
  static constexpr bool row_local = true;
#ifdef LEGAL
  double count(const Batch& batch) const;
#else
  double counts(const Batch& batch) const;
#endif
  Tensor sum(const Scores& scores, const Batch& batch) const;
};

int main() {
  return check_trainer<fake::Model, MyLoss, fake::Params, fake::Data, fake::Optimizer>() ? 0 : 1;
}
