// expected: posttrain: `prefx` is no facet of a gate; did you mean `prefix`? [docs/concepts.md#gate]
// SPDX-License-Identifier: Apache-2.0
// A misspelt facet would be off without a word: a prefix that no query sees.
#include "posttrain/concepts/check.hpp"
#include "static/fake_policies.hpp"

using namespace posttrain;

struct MyState : fake::ParamsState {
  std::int64_t virtual_tokens() const;
  TokenBatch prepare(const TokenBatch& batch) const;
#ifdef LEGAL
  std::pair<Tensor, Tensor> prefix(int layer) const;
#else
  std::pair<Tensor, Tensor> prefx(int layer) const;
#endif
};
struct MyParams {
  MyState attach(const auto& model) const;
};

int main() {
  return check_trainer<fake::Model, fake::Loss, MyParams, fake::Data, fake::Optimizer>() ? 0 : 1;
}
