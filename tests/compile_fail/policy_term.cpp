// expected: posttrain: a policy's term needs `Tensor operator()(const Tensor& ratio, const Tensor& logps, const Tensor& advantage) const` [docs/losses.md#policy-terms]
// SPDX-License-Identifier: Apache-2.0
// A term of ratio and advantage alone: every term is given log p, too.
#include "posttrain/losses/policy_loss.hpp"

using namespace posttrain;

struct MyTerm {
#ifdef LEGAL
  Tensor operator()(const Tensor& ratio, const Tensor&, const Tensor& advantage) const {
    return ratio * advantage;
  }
#else
  Tensor operator()(const Tensor& ratio, const Tensor& advantage) const {
    return ratio * advantage;
  }
#endif
};

int main() {
  const PolicyLoss<MyTerm> loss;
  return loss.max_length == 0 ? 0 : 1;
}
