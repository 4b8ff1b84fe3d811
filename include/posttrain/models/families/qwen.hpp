// SPDX-License-Identifier: Apache-2.0
// Qwen 2, 2.5 and 3: a Llama with windows in its upper layers on request. Qwen 2 adds biases on q,
// k and v, Qwen 3 replaces them by norms on the heads of q and k.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "posttrain/models/config.hpp"
#include "posttrain/models/families/common.hpp"
#include "posttrain/models/families/family.hpp"
#include "posttrain/models/families/llama.hpp"
#include "posttrain/models/families/reader.hpp"

namespace posttrain::models::detail {

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

inline constexpr Family kQwen2{
    .model_type = "qwen2",
    .architecture = "Qwen2ForCausalLM",
    .base = "Qwen2Model",
    .reward = "Qwen2ForSequenceClassification",
    .parse = parse_qwen2,
};

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

inline constexpr Family kQwen3{
    .model_type = "qwen3",
    .architecture = "Qwen3ForCausalLM",
    .base = "Qwen3Model",
    .reward = "Qwen3ForSequenceClassification",
    .parse = parse_qwen3,
};

}  // namespace posttrain::models::detail
