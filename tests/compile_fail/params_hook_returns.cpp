// expected: posttrain: a hook returns void or event::Request, on event::TrainEnd void [docs/concepts.md#events]
// SPDX-License-Identifier: Apache-2.0
// At the end of a run nothing is left to ask for.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyState {
  std::vector<ParameterGroup>& trainable();
  const std::vector<ParameterGroup>& trainable() const;
  void publish();
  std::vector<NamedTensor> weights() const;
  std::vector<NamedTensor> gradients() const;
#ifdef LEGAL
  event::Request on(const event::EpochEnd&);
#else
  event::Request on(const event::TrainEnd&);
#endif
};
struct MyParams {
  MyState attach(const auto& model) const;
};

int main() {
  return check_trainer<fake::Model, fake::Loss, MyParams, fake::Data, fake::Optimizer>() ? 0 : 1;
}
