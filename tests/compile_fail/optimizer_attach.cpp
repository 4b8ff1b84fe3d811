// expected: posttrain: Optimizer needs `State attach(const std::vector<ParameterGroup>&) const` [docs/concepts.md#optimizer]
// SPDX-License-Identifier: Apache-2.0
// An optimizer that attaches to nothing.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyOptimizer {
#ifdef LEGAL
  fake::OptimizerState attach(const std::vector<ParameterGroup>& groups) const;
#endif
};

int main() {
  return check_trainer<fake::Model, fake::Loss, fake::Params, fake::Data, MyOptimizer>() ? 0 : 1;
}
