// expected: posttrain: Params' State needs `const std::vector<ParameterGroup>& trainable() const` [docs/concepts.md#params]
// SPDX-License-Identifier: Apache-2.0
// A state whose groups cannot be read: the record of a run counts them.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyState {
  std::vector<ParameterGroup>& trainable();
#ifdef LEGAL
  const std::vector<ParameterGroup>& trainable() const;
#endif
  void publish();
  std::vector<NamedTensor> weights() const;
  std::vector<NamedTensor> gradients() const;
};
struct MyParams {
  MyState attach(const auto& model) const;
};

int main() {
  return check_trainer<fake::Model, fake::Loss, MyParams, fake::Data, fake::Optimizer>() ? 0 : 1;
}
