// expected: posttrain: a gate with virtual tokens has `virtual_tokens`, `prepare` and one of `prompt_ids` and `prefix` [docs/concepts.md#gate]
// SPDX-License-Identifier: Apache-2.0
// Virtual tokens that no batch is prepared for.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyState : fake::ParamsState {
  std::int64_t virtual_tokens() const;
#ifdef LEGAL
  TokenBatch prepare(const TokenBatch& batch) const;
#endif
  TokenIds prompt_ids() const;
};
struct MyParams {
  MyState attach(const auto& model) const;
};

int main() {
  return check_trainer<fake::Model, fake::Loss, MyParams, fake::Data, fake::Optimizer>() ? 0 : 1;
}
