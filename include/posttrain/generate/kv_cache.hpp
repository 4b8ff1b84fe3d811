// SPDX-License-Identifier: Apache-2.0
// The keys and values of a sequence that is read piece by piece, for decoding.
//
//   KeyValueCache cache(model, capacity);
//   Tensor hidden = cache.read(gate, prompt);  // [n, d]; then token by token
//
// One attention part covers a piece: causal within it, and open to all that is cached (with the
// layer's window). The memory of `capacity` tokens is taken at once, so nothing is ever moved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

/// Keys and values of the tokens read so far, layer by layer. The first of them are the gate's
/// virtual tokens, if it has some (batch/virtual_tokens.hpp); `capacity` counts them.
class KeyValueCache {
 public:
  KeyValueCache(const models::Decoder& model, std::int64_t capacity) : model_(&model) {
    const models::DecoderConfig& config = model.config();
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
    models::TokenPositions positions;
    for (std::int64_t i = 0; i < count; ++i) positions.position.push_back(length_ + i);
    positions.length.assign(ids.size(), length_ + count);
    const std::int64_t total = length_ + count;
    const AttentionParts parts{{0, count, 0, total, true, length_, 0}};  // one plan for all layers
    const auto attend = [&](int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
      keys_[layer].narrow(0, length_, count).copy_(k);
      values_[layer].narrow(0, length_, count).copy_(v);
      return attention(q, keys_[layer].narrow(0, 0, total), values_[layer].narrow(0, 0, total),
                       parts, model_->attention_options(model_->config().layers[layer].window));
    };
    const std::vector<std::int64_t> wide(ids.begin(), ids.end());
    Tensor hidden =
        model_->hidden(gate, at::tensor(wide, at::kLong).to(model_->device()), positions, attend);
    length_ += count;
    return hidden;
  }

  const models::Decoder* model_;
  Tensors keys_, values_;
  std::int64_t length_ = 0;
};

}  // namespace posttrain
