// SPDX-License-Identifier: Apache-2.0
// Continues a prompt token by token with a key/value cache: greedy or by temperature.
//
// Uses the same gate, kernels and logits as training, so what is sampled is what training scores.
// Stops at any of the end-of-sequence ids, which is part of the result.
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <span>
#include <vector>

#include "posttrain/base/rng.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::models {

struct GenerateOptions {
  std::int64_t max_new_tokens = 128;
  double temperature = 0.0;  // 0: greedy
  std::uint64_t seed = 0;    // of sampling; with the position it determines every draw

  constexpr void validate() const {
    if (max_new_tokens < 1) fail("posttrain: GenerateOptions.max_new_tokens must be at least 1");
    if (!(temperature >= 0.0)) fail("posttrain: GenerateOptions.temperature must not be negative");
  }
};

/// Keys and values of the tokens read so far, layer by layer. The first of them are the gate's
/// virtual tokens, if it has some (batch/virtual_tokens.hpp); `capacity` counts them.
class KeyValueCache {
 public:
  KeyValueCache(const Decoder& model, std::int64_t capacity) : model_(&model) {
    const DecoderConfig& config = model.config();
    const auto options = at::TensorOptions(model.device()).dtype(model.dtype());
    for (std::int64_t i = 0; i < config.num_layers(); ++i) {
      keys_.push_back(at::empty({capacity, config.num_kv_heads, config.head_dim}, options));
      values_.push_back(at::empty({capacity, config.num_kv_heads, config.head_dim}, options));
    }
  }

  std::int64_t length() const { return length_; }

  /// Reads `ids` after what is cached and returns their hidden states [n, d].
  template <class Gate>
  Tensor read(const Gate& gate, std::span<const TokenId> ids) {
    if (length_ == 0) begin(gate);
    return append(gate, ids);
  }

 private:
  /// Reads a soft prompt, or takes a prefix over.
  template <class Gate>
  void begin(const Gate& gate) {
    if constexpr (HasPromptIds<Gate>) append(gate, gate.prompt_ids());
    if constexpr (HasPrefix<Gate>) {
      length_ = virtual_tokens(gate);
      for (std::size_t layer = 0; layer < keys_.size(); ++layer) {
        const auto [k, v] = gate.prefix(static_cast<int>(layer));
        keys_[layer].narrow(0, 0, length_).copy_(k);
        values_[layer].narrow(0, 0, length_).copy_(v);
      }
    }
  }

  template <class Gate>
  Tensor append(const Gate& gate, std::span<const TokenId> ids) {
    const auto count = static_cast<std::int64_t>(ids.size());
    TokenPositions positions;
    for (std::int64_t i = 0; i < count; ++i) positions.position.push_back(length_ + i);
    positions.length.assign(ids.size(), length_ + count);
    const auto attend = [&](int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
      keys_[layer].narrow(0, length_, count).copy_(k);
      values_[layer].narrow(0, length_, count).copy_(v);
      const std::int64_t total = length_ + count;
      const std::vector<AttentionPart> parts{{0, count, 0, total, true, length_, 0}};
      return attention(q, keys_[layer].narrow(0, 0, total), values_[layer].narrow(0, 0, total),
                       parts, model_->attention_options(model_->config().layers[layer].window));
    };
    const std::vector<std::int64_t> wide(ids.begin(), ids.end());
    Tensor hidden =
        model_->hidden(gate, at::tensor(wide, at::kLong).to(model_->device()), positions, attend);
    length_ += count;
    return hidden;
  }

  const Decoder* model_;
  Tensors keys_, values_;
  std::int64_t length_ = 0;
};

namespace detail {

/// logits [V] → a token: the largest, or a draw from softmax(logits / temperature).
inline TokenId choose(const Tensor& logits, const GenerateOptions& options, std::int64_t position) {
  if (options.temperature == 0.0) return static_cast<TokenId>(logits.argmax().item<std::int64_t>());
  const Tensor probabilities =
      at::softmax(logits.to(at::kDouble) / options.temperature, 0).to(at::kCPU).contiguous();
  const double* p = probabilities.data_ptr<double>();
  Philox4x32 generator(options.seed, static_cast<std::uint64_t>(position));
  double remaining = generator.uniform();
  TokenId last = 0;
  for (std::int64_t i = 0; i < probabilities.size(0); ++i) {
    if (p[i] <= 0.0) continue;
    last = static_cast<TokenId>(i);
    remaining -= p[i];
    if (remaining < 0.0) break;
  }
  return last;
}

}  // namespace detail

/// The continuation of `prompt` (without it), at most `max_new_tokens` tokens; ends with an id of
/// `eos_ids` if the model stopped by itself.
template <class Gate>
TokenIds generate(const Decoder& model, const Gate& gate, std::span<const TokenId> prompt,
                  const std::set<TokenId>& eos_ids, const GenerateOptions& options = {}) {
  options.validate();
  if (prompt.empty()) raise("expected a prompt of at least one token, got none");
  if (model.config().head == HeadKind::kReward) {
    fail("expected a model that predicts tokens, got a reward model");
  }
  at::NoGradGuard no_grad;
  const std::int64_t read = virtual_tokens(gate) + static_cast<std::int64_t>(prompt.size());
  std::int64_t capacity = read + options.max_new_tokens;
  if (model.config().learned_positions) capacity = std::min(capacity, model.config().max_positions);
  if (read > capacity) {
    raise("expected a prompt of at most {} tokens (the model's learned positions), got {}",
          capacity - virtual_tokens(gate), prompt.size());
  }
  KeyValueCache cache(model, capacity);
  TokenIds continuation;
  Tensor hidden = cache.read(gate, prompt);
  while (true) {
    const Tensor logits = model.logits(gate, hidden.narrow(0, hidden.size(0) - 1, 1)).select(0, 0);
    continuation.push_back(detail::choose(logits, options, cache.length()));
    if (eos_ids.contains(continuation.back()) || cache.length() >= capacity ||
        static_cast<std::int64_t>(continuation.size()) >= options.max_new_tokens) {
      return continuation;
    }
    hidden = cache.read(gate, std::span(&continuation.back(), 1));
  }
}

}  // namespace posttrain::models
