// expected: posttrain: Model needs `at::Device device() const` [docs/concepts.md#model]
// SPDX-License-Identifier: Apache-2.0
// A model that does not say where it computes.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyModel {
  Tensor hidden(const auto& gate, const TokenBatch& batch) const;
  Tensor logits(const auto& gate, const Tensor& rows) const;
  std::int64_t vocab_size() const;
#ifdef LEGAL
  c10::Device device() const;
#endif
};

int main() {
  return check_trainer<MyModel, fake::Loss, fake::Params, fake::Data, fake::Optimizer>() ? 0 : 1;
}
