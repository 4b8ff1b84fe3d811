// SPDX-License-Identifier: Apache-2.0
// Llama and the families that differ from it in a few switches: Mistral, Qwen2, Qwen3, SmolLM3,
// Granite, Phi-3. Read from transformers' configuration and modeling files of each.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/models/config.hpp"
#include "posttrain/models/families/common.hpp"
#include "posttrain/models/families/reader.hpp"
#include "posttrain/models/families/rope.hpp"

namespace posttrain::models::detail {

inline double inverse_sqrt(double value) { return 1.0 / std::sqrt(value); }

/// What all families of this header share after their sizes are read: RoPE, scale, SiLU, biases.
inline void read_llama_body(ConfigReader& reader, DecoderConfig& config, bool tied_default,
                            RopeContext context = {}) {
  context.head_dim = config.head_dim;
  context.max_positions = config.max_positions;
  config.ropes = {read_rope(reader, context)};
  config.activation = read_activation(reader, "hidden_act", "silu");
  config.attention_scale = inverse_sqrt(static_cast<double>(config.head_dim));
  config.tied = reader.flag("tie_word_embeddings", tied_default);
  reader.only("rope_interleaved", false);
  reader.only("lm_head_bias", false);
}

/// `attention_bias` (on q, k, v and o) and `mlp_bias` (on all three).
inline void read_biases(ConfigReader& reader, DecoderConfig& config) {
  config.qkv_bias = config.output_bias = reader.flag("attention_bias", false);
  config.mlp_bias = reader.flag("mlp_bias", false);
}

inline DecoderConfig parse_llama(ConfigReader& reader) {
  DecoderConfig config;
  read_sizes(reader, {}, config);
  read_llama_body(reader, config, false);
  read_biases(reader, config);
  return config;
}

/// Every layer slides, unless sliding_window is null.
inline DecoderConfig parse_mistral(ConfigReader& reader) {
  DecoderConfig config;
  read_sizes(reader,
             {.intermediate = 14336, .kv_heads = 8, .max_positions = std::int64_t{4096} * 32},
             config);
  read_llama_body(reader, config, false);
  reader.only("attention_bias", false);
  reader.only("mlp_bias", false);
  const auto window = read_window(reader, 4096);
  const std::vector<bool> sliding(config.layers.size(), window.has_value());
  if (const auto types = read_layer_types(reader, sliding.size()); types && *types != sliding) {
    raise(
        "{}: layer_types that differ from sliding_window are not supported for mistral: its layers "
        "all slide, or none do if sliding_window is null",
        reader.where());
  }
  set_windows(reader, sliding, window, config);
  return config;
}

/// Layers from `max_window_layers` on slide if `use_sliding_window`; `layer_types` wins.
inline void read_qwen_windows(ConfigReader& reader, DecoderConfig& config) {
  const bool use_window = reader.flag("use_sliding_window", false);
  auto window = read_window(reader, 4096);
  if (!use_window) window = std::nullopt;
  const std::int64_t first = reader.integer("max_window_layers", 28, 0);
  std::vector<bool> sliding(config.layers.size());
  for (std::size_t i = 0; i < sliding.size(); ++i) {
    sliding[i] = window && static_cast<std::int64_t>(i) >= first;
  }
  if (const auto types = read_layer_types(reader, sliding.size())) sliding = *types;
  set_windows(reader, sliding, window, config);
}

/// Biases on q, k, v only.
inline DecoderConfig parse_qwen2(ConfigReader& reader) {
  DecoderConfig config;
  read_sizes(reader,
             {.vocab = 151936, .intermediate = 22016, .kv_heads = 32, .max_positions = 32768},
             config);
  read_llama_body(reader, config, false);
  config.qkv_bias = true;
  reader.only("attention_bias", true);
  reader.only("mlp_bias", false);
  read_qwen_windows(reader, config);
  return config;
}

/// RMS norm on the heads of q and k, before the rotation.
inline DecoderConfig parse_qwen3(ConfigReader& reader) {
  DecoderConfig config;
  read_sizes(reader,
             {.vocab = 151936,
              .intermediate = 22016,
              .kv_heads = 32,
              .head_dim = 128,
              .max_positions = 32768},
             config);
  read_llama_body(reader, config, false);
  config.qk_norm = true;
  config.qkv_bias = config.output_bias = reader.flag("attention_bias", false);
  reader.only("mlp_bias", false);
  read_qwen_windows(reader, config);
  return config;
}

/// Layers whose `no_rope_layers` entry is 0 rotate nothing; with a window, those are the ones
/// that slide.
inline DecoderConfig parse_smollm3(ConfigReader& reader) {
  DecoderConfig config;
  read_sizes(reader,
             {.vocab = 128256,
              .hidden = 2048,
              .layers = 36,
              .heads = 16,
              .kv_heads = 4,
              .max_positions = 32768,
              .padding_id = 128004},
             config);
  read_llama_body(reader, config, true, {.theta = 2000000.0});
  read_biases(reader, config);

  const std::size_t layers = config.layers.size();
  const std::int64_t interval = reader.integer("no_rope_layer_interval", 4);
  const auto* list = reader.array("no_rope_layers");
  if (list != nullptr && list->size() < layers) {
    raise("{}: expected no_rope_layers to have {} entries, got {}", reader.where(), layers,
          list->size());
  }
  for (std::size_t i = 0; i < layers; ++i) {
    const bool rotated = list != nullptr
                             ? reader.checked_integer("no_rope_layers", list->at(i), 0) != 0
                             : (static_cast<std::int64_t>(i) + 1) % interval != 0;
    config.layers[i].rope = rotated ? 0 : -1;
  }

  const bool use_window = reader.flag("use_sliding_window", false);
  const auto window = read_window(reader, std::nullopt);
  reader.ignore({"max_window_layers"});  // not read for this family
  std::vector<bool> sliding(layers);
  for (std::size_t i = 0; i < layers; ++i) {
    sliding[i] = use_window && window && config.layers[i].rope < 0;
  }
  if (const auto types = read_layer_types(reader, layers)) sliding = *types;
  set_windows(reader, sliding, use_window ? window : std::nullopt, config);
  return config;
}

/// Four multipliers; attention_multiplier replaces 1/sqrt(head_dim) (its default really is 1).
inline DecoderConfig parse_granite(ConfigReader& reader) {
  DecoderConfig config;
  read_sizes(reader, {}, config);
  read_llama_body(reader, config, false);
  read_biases(reader, config);
  config.embedding_scale = reader.number("embedding_multiplier", 1.0);
  config.residual_scale = reader.number("residual_multiplier", 1.0);
  config.attention_scale = reader.number("attention_multiplier", 1.0);
  config.logit_scale = 1.0 / reader.positive("logits_scaling", 1.0);
  return config;
}

/// qkv_proj and gate_up_proj are one matrix each; every layer slides if sliding_window is set; the
/// first `partial_rotary_factor` of each head is rotated; `longrope` switches at the original
/// length.
inline DecoderConfig parse_phi3(ConfigReader& reader) {
  DecoderConfig config;
  config.naming = Naming::kPhi3;
  config.norm_eps = 1e-5;
  read_sizes(reader,
             {.vocab = 32064,
              .hidden = 3072,
              .intermediate = 8192,
              .max_positions = 4096,
              .padding_id = 32000},
             config);
  const std::int64_t original = reader.integer("original_max_position_embeddings", 4096);
  read_llama_body(reader, config, false,
                  {.partial_allowed = true, .phi3 = true, .original_positions = original});
  reader.dropout({"resid_pdrop", "embd_pdrop"});
  reader.only("attention_bias", false);
  reader.only("mlp_bias", false);
  reader.only("full_attn_mod", 1);
  reader.only("interpolate_factor", 1);
  if (const auto window = read_window(reader, std::nullopt)) {
    set_windows(reader, std::vector<bool>(config.layers.size(), true), window, config);
  }
  return config;
}

}  // namespace posttrain::models::detail
