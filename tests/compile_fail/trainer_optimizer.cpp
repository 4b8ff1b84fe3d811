// expected: posttrain: Optimizer needs `State attach(const std::vector<ParameterGroup>&) const` [docs/concepts.md#optimizer]
// SPDX-License-Identifier: Apache-2.0
// Through the Trainer, from an experiment: the optimizer is refused.
#include "posttrain/data/tokenized.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

struct MyState {
  std::vector<ParameterGroup>& trainable() { return groups; }
  const std::vector<ParameterGroup>& trainable() const { return groups; }
  void publish() {}
  std::vector<NamedTensor> weights() const { return {}; }
  std::vector<NamedTensor> gradients() const { return {}; }
  std::vector<ParameterGroup> groups;
};
struct MyParams {
  constexpr void validate() const {}
  MyState attach(const auto&) const { return {}; }
};
struct MyModel {
  Tensor hidden(const auto&, const TokenBatch& batch) const { return batch.ids; }
  Tensor logits(const auto&, const Tensor& rows) const { return rows; }
  std::int64_t vocab_size() const { return 2; }
  at::Device device() const { return at::kCPU; }
};
struct Plain {
  constexpr void validate() const {}
};
#ifdef LEGAL
using Optimizer = AdamW;
#else
using Optimizer = Plain;
#endif

int main() {
  constexpr auto kRun = checked(Experiment{
      NextToken{}, MyParams{}, Tokenized{.path = "tokens.jsonl"}, Optimizer{}, Options{}});
  Trainer trainer(MyModel{}, kRun);
  return trainer.train().loss < 1.0 ? 0 : 1;
}
