// expected: posttrain: Optimizer's State needs `void step(std::vector<ParameterGroup>&, double learning_rate, double grad_factor)` [docs/concepts.md#optimizer]
// SPDX-License-Identifier: Apache-2.0
// An optimizer whose step knows no clipping factor.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyState {
#ifdef LEGAL
  void step(std::vector<ParameterGroup>& groups, double learning_rate, double grad_factor);
#else
  void step(std::vector<ParameterGroup>& groups, double learning_rate);
#endif
  std::vector<NamedTensor> tensors() const;
};
struct MyOptimizer {
  MyState attach(const std::vector<ParameterGroup>& groups) const;
};

int main() {
  return check_trainer<fake::Model, fake::Loss, fake::Params, fake::Data, MyOptimizer>() ? 0 : 1;
}
