// expected: posttrain: `checkpoint_tensor` is no facet of a gate; did you mean `checkpoint_tensors`? [docs/concepts.md#gate]
// SPDX-License-Identifier: Apache-2.0
// A checkpoint would lack what the masters mean only together with.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyState : fake::ParamsState {
#ifdef LEGAL
  std::vector<NamedTensor> checkpoint_tensors() const;
#else
  std::vector<NamedTensor> checkpoint_tensor() const;
#endif
};
struct MyParams {
  MyState attach(const auto& model) const;
};

int main() {
  return check_trainer<fake::Model, fake::Loss, MyParams, fake::Data, fake::Optimizer>() ? 0 : 1;
}
