// expected: posttrain: Params' State needs `std::vector<NamedTensor> weights() const` and `gradients() const` [docs/concepts.md#params]
// SPDX-License-Identifier: Apache-2.0
// A state that cannot be saved.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyState {
  std::vector<ParameterGroup>& trainable();
  const std::vector<ParameterGroup>& trainable() const;
  void publish();
  std::vector<NamedTensor> weights() const;
#ifdef LEGAL
  std::vector<NamedTensor> gradients() const;
#endif
};
struct MyParams {
  MyState attach(const auto& model) const;
};

int main() {
  return check_trainer<fake::Model, fake::Loss, MyParams, fake::Data, fake::Optimizer>() ? 0 : 1;
}
