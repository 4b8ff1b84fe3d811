// expected: posttrain: Loss needs `using Batch = TokenBatch;` [docs/concepts.md#loss]
// SPDX-License-Identifier: Apache-2.0
// A loss that does not say which batch it takes.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyLoss {
#ifdef LEGAL
  using Batch = TokenBatch;
#endif
  static constexpr bool row_local = true;
  double count(const TokenBatch& batch) const;
  Tensor sum(const Scores& scores, const TokenBatch& batch) const;
};

int main() {
  return check_trainer<fake::Model, MyLoss, fake::Params, fake::Data, fake::Optimizer>() ? 0 : 1;
}
