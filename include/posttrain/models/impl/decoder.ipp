// SPDX-License-Identifier: Apache-2.0
// Definitions of decoder.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/rng.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain::models {

POSTTRAIN_INLINE Decoder::Decoder(DecoderConfig config, ModelOptions options, WeightLoader loader,
                                  PackedLoader packed_loader)
    : config_(std::move(config)),
      options_(options),
      loader_(std::move(loader)),
      packed_loader_(std::move(packed_loader)),
      sites_(decoder_layout(config_)) {}

POSTTRAIN_INLINE Tensor drawn_weight(const std::string& name,
                                     const std::vector<std::int64_t>& shape, std::uint64_t seed,
                                     double deviation) {
  Tensor drawn = at::empty(shape, at::kFloat);
  Philox4x32 generator(seed, stream_of(name));
  float* values = drawn.data_ptr<float>();
  for (std::int64_t i = 0; i < drawn.numel(); ++i) {
    values[i] = static_cast<float>(generator.normal() * deviation);
  }
  return drawn;
}

POSTTRAIN_INLINE Tensor Decoder::load(const std::string& name,
                                      const std::vector<std::int64_t>& shape, double initial,
                                      bool random) const {
  if (loader_) return loader_(name, shape);
  if (!random) return at::full(shape, initial, at::kFloat);
  return drawn_weight(name, shape, options_.seed, config_.initializer_range);
}

POSTTRAIN_INLINE PackedTensors Decoder::load_packed(const std::string& name) const {
  return packed_loader_ ? packed_loader_(name) : PackedTensors();
}

POSTTRAIN_INLINE void Decoder::check_batch(const TokenBatch& batch,
                                           std::int64_t virtual_tokens) const {
  if (batch.virtual_tokens != virtual_tokens) {
    raise(
        "expected a batch with {} virtual tokens before every sequence, as the gate has, got {}; "
        "hint: prepared(state, batch) makes it",
        virtual_tokens, batch.virtual_tokens);
  }
  if (batch.ids.device() != device()) {
    raise(
        "expected a batch on the model's device {}, got one on {}; hint: batch.to(model.device())",
        options_.device.text(), batch.ids.device().str());
  }
  if (!config_.learned_positions) return;
  for (const Segment& node : batch.nodes) {
    if (node.position + node.end - node.begin > config_.max_positions) {
      raise(
          "expected sequences of at most {} tokens (the model's learned positions), got {} "
          "(virtual tokens: {}); hint: set max_seq_len",
          config_.max_positions, node.position + node.end - node.begin, virtual_tokens);
    }
  }
}

POSTTRAIN_INLINE Tensor Decoder::add_scaled(const Tensor& x, const Tensor& branch) const {
  return config_.residual_scale == 1.0 ? x + branch : x + branch * config_.residual_scale;
}

POSTTRAIN_INLINE Tensor Decoder::scaled_lookup(const Tensor& x, const Tensor& ids) const {
  if (config_.lookup_scale == 1.0) return x;
  const Tensor scale = at::full({}, config_.lookup_scale, x.options());  // rounded
  return x * at::where(ids < config_.vocab_size, scale, at::ones_like(scale)).unsqueeze(1);
}

POSTTRAIN_INLINE Tensor Decoder::concatenated(const Tensor& first, const Tensor& second) {
  return at::cat({first, second});
}

POSTTRAIN_INLINE TokenPositions Decoder::placed(TokenPositions positions) const {
  if (!positions.on_device.defined()) {
    positions.on_device = uploaded(at::tensor(positions.position, at::kLong), device());
  }
  return positions;
}

}  // namespace posttrain::models
