// SPDX-License-Identifier: Apache-2.0
// Policies that fulfil every concept by declarations alone. The types that they mention are empty
// stand-ins, so that a test compiles at once; hence never together with the real ones.
#pragma once

#include "posttrain/core/concepts.hpp"

namespace at {
class Tensor {};
}  // namespace at

namespace posttrain {
struct ParameterGroup {};
struct NamedTensor {};
namespace data {
struct LoadedData {};
}  // namespace data
}  // namespace posttrain

namespace fake {

using posttrain::NamedTensor;
using posttrain::ParameterGroup;
using posttrain::Scores;
using posttrain::Tensor;
using posttrain::TokenBatch;

struct Loss {
  using Batch = TokenBatch;
  static constexpr bool row_local = true;
  double count(const Batch& batch) const;
  Tensor sum(const Scores& scores, const Batch& batch) const;
};

struct ParamsState {
  std::vector<ParameterGroup>& trainable();
  void publish();
  std::vector<NamedTensor> weights() const;
  std::vector<NamedTensor> gradients() const;
};

struct Params {
  ParamsState attach(const auto& model) const;
};

struct Model {
  Tensor hidden(const auto& gate, const TokenBatch& batch) const;
  Tensor logits(const auto& gate, const Tensor& rows) const;
  std::int64_t vocab_size() const;
};

struct Data {
  posttrain::data::LoadedData load(const posttrain::data::LoadContext& context) const;
};

struct OptimizerState {
  void step(std::vector<ParameterGroup>& groups, double learning_rate, double grad_factor);
};

struct Optimizer {
  OptimizerState attach(const std::vector<ParameterGroup>& groups) const;
};

}  // namespace fake
