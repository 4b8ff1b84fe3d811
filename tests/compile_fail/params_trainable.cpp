// expected: posttrain: Params' State needs `std::vector<ParameterGroup>& trainable()` and `void publish()` [docs/concepts.md#params]
// SPDX-License-Identifier: Apache-2.0
// A state without publish(): a bf16 model would never see an update.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyState {
  std::vector<ParameterGroup>& trainable();
  const std::vector<ParameterGroup>& trainable() const;
#ifdef LEGAL
  void publish();
#endif
  std::vector<NamedTensor> weights() const;
  std::vector<NamedTensor> gradients() const;
};
struct MyParams {
  MyState attach(const auto& model) const;
};

int main() {
  return check_trainer<fake::Model, fake::Loss, MyParams, fake::Data, fake::Optimizer>() ? 0 : 1;
}
