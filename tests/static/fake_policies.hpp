// SPDX-License-Identifier: Apache-2.0
// Policies that fulfil every concept by declarations alone. The types that they mention are empty
// stand-ins, so that a test compiles at once; hence never together with the real ones.
#pragma once

#include "posttrain/concepts/loss.hpp"

namespace at {
class Tensor {};
}  // namespace at

namespace c10 {
struct Device {};
}  // namespace c10

namespace posttrain {
struct TokenBatch {
  Tensor row, target;
  std::vector<std::int64_t> samples;
  std::int64_t tokens() const;
  std::int64_t predictions() const;
  TokenBatch slice(std::int64_t begin, std::int64_t end) const;
  TokenBatch to(c10::Device device) const;
};
struct ParameterGroup {};
struct NamedTensor {};
namespace data {
template <class Store>
struct Loaded {};
struct SamplerPosition {};
struct DataReport {};
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
  const std::vector<ParameterGroup>& trainable() const;
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
  c10::Device device() const;
};

struct Data {
  posttrain::data::LoadedData load(const posttrain::data::LoadContext& context) const;
};

template <class Batch>
struct Stream {
  std::optional<std::vector<Batch>> next();
  posttrain::data::SamplerPosition position() const;
  void seek(posttrain::data::SamplerPosition position);
  std::int64_t steps_per_epoch() const;
  bool at_epoch_end() const;
  bool has_validation() const;
  std::vector<Batch> validation() const;
  const posttrain::data::DataReport& report() const;
};

struct OptimizerState {
  void step(std::vector<ParameterGroup>& groups, double learning_rate, double grad_factor);
  std::vector<NamedTensor> tensors() const;
};

struct Optimizer {
  OptimizerState attach(const std::vector<ParameterGroup>& groups) const;
};

}  // namespace fake
