// expected: posttrain: Model needs `Tensor hidden(const auto& gate, const Batch&) const` [docs/concepts.md#model]
// SPDX-License-Identifier: Apache-2.0
// A model that forgets the gate.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyModel {
#ifdef LEGAL
  Tensor hidden(const auto& gate, const TokenBatch& batch) const;
#else
  Tensor hidden(const TokenBatch& batch) const;
#endif
  Tensor logits(const auto& gate, const Tensor& rows) const;
  std::int64_t vocab_size() const;
  c10::Device device() const;
};

int main() {
  return check_trainer<MyModel, fake::Loss, fake::Params, fake::Data, fake::Optimizer>() ? 0 : 1;
}
