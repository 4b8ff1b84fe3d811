// expected: posttrain: Optimizer's State needs `std::vector<NamedTensor> tensors() const` [docs/concepts.md#optimizer]
// SPDX-License-Identifier: Apache-2.0
// An optimizer that checkpoints could not hold.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyState {
  void step(std::vector<ParameterGroup>& groups, double learning_rate, double grad_factor);
#ifdef LEGAL
  std::vector<NamedTensor> tensors() const;
#endif
};
struct MyOptimizer {
  MyState attach(const std::vector<ParameterGroup>& groups) const;
};

int main() {
  return check_trainer<fake::Model, fake::Loss, fake::Params, fake::Data, MyOptimizer>() ? 0 : 1;
}
