// SPDX-License-Identifier: Apache-2.0
// The mathematics of a decoder-only transformer as plain numbers, read from a config.json.
//
// `DecoderConfig` describes what is computed, not a family: a family is a function that fills it.
// No tensors here, so that parsing is tested without LibTorch, and no JSON: `parse_config` is in
// models/families/parse.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "posttrain/models/rope_scaling.hpp"
#include "posttrain/nn/activation.hpp"

namespace posttrain::models {

enum class NormKind {
  kRms,         // x̂·w
  kRmsPlusOne,  // x̂·(1 + w), Gemma's
  kLayerNorm,   // with bias
};
using Activation = ActivationKind;
/// How a family names and stores its matrices in a checkpoint.
enum class Naming { kLlama, kPhi3, kGpt2 };

/// The head's output: logits of next tokens (`lm_head`), or one number, a reward (`score`).
enum class HeadKind { kTokens, kReward };

/// Rotary frequencies: angle(position, i) = position · inv_freq[i]; cos and sin are multiplied by
/// `attention_factor`. Where frequencies depend on the sequence length (`dynamic`), see
/// `at_length`. The angle, cos and sin are computed in fp32, then rounded to the compute dtype.
struct RopeSpec {
  std::vector<float> inv_freq{};  // [rotary_dim / 2]
  double attention_factor = 1.0;
  // Whether the frequencies change beyond `original_length` tokens: `dynamic` NTK scaling (the base
  // grows with the length) and `longrope` (`long_inv_freq` replaces `inv_freq`).
  bool dynamic = false;
  double theta = 10000.0;
  double factor = 1.0;
  std::int64_t original_length = 0;
  std::int64_t rotary_dim = 0;
  std::vector<float> long_inv_freq{};  // [rotary_dim / 2], `longrope` only

  /// The frequencies for a sequence of `length` tokens (equal to `inv_freq` unless `dynamic`).
  /// They are a function of the sequence's own length: transformers takes the longest sequence of
  /// the batch and keeps state between calls, so that its result depends on what ran before.
  std::vector<float> at_length(std::int64_t length) const {
    if (!dynamic || length <= original_length) return inv_freq;
    if (!long_inv_freq.empty()) return long_inv_freq;
    return rope::dynamic_frequencies(rotary_dim, theta, factor, original_length, length);
  }
};

struct LayerConfig {
  // Sliding window in tokens: a query sees `window` keys, itself included; 0: all.
  std::int64_t window = 0;
  int rope = 0;  // index into DecoderConfig::ropes; -1: no positional rotation (NoPE)
};

struct DecoderConfig {
  std::string model_type;
  Naming naming = Naming::kLlama;
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_heads = 0;
  std::int64_t num_kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_positions = 0;  // max_position_embeddings; the size of the table if learned
  bool learned_positions = false;  // GPT-2
  bool tied = false;               // lm_head shares the embedding table
  HeadKind head = HeadKind::kTokens;

  NormKind norm = NormKind::kRms;
  double norm_eps = 1e-6;
  bool qk_norm = false;     // RMS norm of each query and key head (Qwen3, Gemma 3)
  bool post_norms = false;  // after attention and MLP, before the residual (Gemma 2/3)
  Activation activation = Activation::kSilu;
  bool gated_mlp = true;  // down(act(gate) · up) or down(act(up))

  bool qkv_bias = false;
  bool output_bias = false;  // of the attention's output projection
  bool mlp_bias = false;

  // hidden = embed(ids) · lookup_scale · embedding_scale. The first belongs to the embedding: it is
  // rounded to the compute dtype and not applied to a soft prompt (Gemma); the second scales all
  // that enters the model (Granite).
  double lookup_scale = 1.0;
  double embedding_scale = 1.0;
  double residual_scale = 1.0;     // Granite
  double logit_scale = 1.0;        // logits · logit_scale (Granite: 1 / logits_scaling)
  double attention_scale = 0.0;    // softmax(scale · q·k); set by every family
  double attention_softcap = 0.0;  // c · tanh(s / c); 0: none
  double final_softcap = 0.0;

  // The embedding row of this id gets no gradient from lookups (padding_idx of the original's
  // embedding; a tied head still contributes); -1: every row does.
  std::int64_t padding_id = -1;

  double initializer_range = 0.02;  // standard deviation of random initialisation
  std::vector<LayerConfig> layers;
  std::vector<RopeSpec> ropes;

  std::int64_t num_layers() const { return static_cast<std::int64_t>(layers.size()); }
};

/// The body of `config` under the head of a reward model, which has no soft-cap and no multiplier.
inline DecoderConfig with_reward_head(DecoderConfig config) {
  config.head = HeadKind::kReward;
  config.tied = false;
  config.logit_scale = 1.0;
  config.final_softcap = 0.0;
  return config;
}

}  // namespace posttrain::models
