// SPDX-License-Identifier: Apache-2.0
// The mathematics of a decoder-only transformer as plain numbers, read from a config.json.
//
// `DecoderConfig` describes what is computed, not a family: a family is a function that fills it.
// No tensors here, so that parsing is tested without LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace posttrain::models {

enum class NormKind {
  kRms,
  kRmsPlusOne,
  kLayerNorm
};  // x̂·w, x̂·(1 + w) (Gemma), LayerNorm with bias
enum class Activation { kSilu, kGelu, kGeluTanh };
/// How a family names and stores its matrices in a checkpoint.
enum class Naming { kLlama, kPhi3, kGpt2 };

/// Rotary frequencies: angle(position, i) = position · inv_freq[i]; cos and sin are multiplied by
/// `attention_factor`. Where frequencies depend on the sequence length (`dynamic`), see
/// `at_length`.
struct RopeSpec {
  std::vector<float> inv_freq;  // [rotary_dim / 2]
  double attention_factor = 1.0;
  // `dynamic` NTK scaling: beyond `original_length` tokens the base grows with the length.
  bool dynamic = false;
  double theta = 10000.0;
  double factor = 1.0;
  std::int64_t original_length = 0;
  std::int64_t rotary_dim = 0;

  /// The frequencies for a sequence of `length` tokens (equal to `inv_freq` unless `dynamic`).
  std::vector<float> at_length(std::int64_t length) const;
};

struct LayerConfig {
  std::int64_t window =
      0;         // sliding window in tokens: a query sees `window` keys, itself included; 0: all
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

  NormKind norm = NormKind::kRms;
  double norm_eps = 1e-6;
  bool qk_norm = false;  // RMS norm of each query and key head (Qwen3, Gemma 3)
  bool post_norms =
      false;  // norms after attention and after the MLP, before the residual (Gemma 2/3)
  Activation activation = Activation::kSilu;
  bool gated_mlp = true;  // down(act(gate) · up) or down(act(up))

  bool qkv_bias = false;
  bool output_bias = false;  // of the attention's output projection
  bool mlp_bias = false;

  double embedding_scale = 1.0;    // hidden = embed(ids) · embedding_scale (rounded to the compute
                                   // dtype if so in the original)
  double residual_scale = 1.0;     // Granite
  double logit_scale = 1.0;        // logits · logit_scale (Granite: 1 / logits_scaling)
  double attention_scale = 0.0;    // softmax(scale · q·k); set by every family
  double attention_softcap = 0.0;  // c · tanh(s / c); 0: none
  double final_softcap = 0.0;

  double initializer_range = 0.02;  // standard deviation of random initialisation
  std::vector<LayerConfig> layers;
  std::vector<RopeSpec> ropes;

  std::int64_t num_layers() const { return static_cast<std::int64_t>(layers.size()); }
};

/// Reads the text of a config.json. Throws `Error` for an unknown architecture, for a key that
/// would change the mathematics and is not understood, and for inconsistent sizes.
DecoderConfig parse_config(std::string_view config_json);

}  // namespace posttrain::models
