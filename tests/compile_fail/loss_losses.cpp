// expected: posttrain: `losses` of a Loss takes `const PairScores&`, or `const Scores&, const Batch&`
// SPDX-License-Identifier: Apache-2.0
// A loss on pairs that gives a number for each pair instead of a tensor.
#include <vector>

#include "posttrain/batch/pairs.hpp"
#include "posttrain/concepts/check.hpp"

using namespace posttrain;

struct MyLoss {
  using Batch = PairBatch;
#ifdef LEGAL
  Tensor losses(const PairScores& pairs) const;
#else
  std::vector<double> losses(const PairScores& pairs) const;
#endif
};

int main() { return check_loss<MyLoss>() ? 0 : 1; }
