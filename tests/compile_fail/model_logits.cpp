// expected: posttrain: Model needs `Tensor logits(const auto& gate, const Tensor& rows) const` [docs/concepts.md#model]
// SPDX-License-Identifier: Apache-2.0
// A model whose logits are not const.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyModel {
  Tensor hidden(const auto& gate, const TokenBatch& batch) const;
#ifdef LEGAL
  Tensor logits(const auto& gate, const Tensor& rows) const;
#else
  Tensor logits(const auto& gate, const Tensor& rows);
#endif
  std::int64_t vocab_size() const;
  c10::Device device() const;
};

int main() {
  return check_trainer<MyModel, fake::Loss, fake::Params, fake::Data, fake::Optimizer>() ? 0 : 1;
}
