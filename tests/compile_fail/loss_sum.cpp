// expected: posttrain: Loss needs `Tensor sum(const Scores&, const Batch&) const` [docs/concepts.md#loss]
// SPDX-License-Identifier: Apache-2.0
// A loss with the wrong result: a number has no gradient.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyLoss {
  using Batch = TokenBatch;
  static constexpr bool row_local = true;
  double count(const Batch& batch) const;
#ifdef LEGAL
  Tensor sum(const Scores& scores, const Batch& batch) const;
#else
  double sum(const Scores& scores, const Batch& batch) const;
#endif
};

int main() {
  return check_trainer<fake::Model, MyLoss, fake::Params, fake::Data, fake::Optimizer>() ? 0 : 1;
}
