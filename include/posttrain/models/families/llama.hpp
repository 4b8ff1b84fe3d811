// SPDX-License-Identifier: Apache-2.0
// Llama 2 and 3 (SmolLM2 is one), and the keys that Mistral, Qwen, SmolLM3, Granite and Phi-3 read
// as it does. Every family follows its configuration and modeling files in transformers.
#pragma once

#include <cmath>

#include "posttrain/models/config.hpp"
#include "posttrain/models/families/common.hpp"
#include "posttrain/models/families/family.hpp"
#include "posttrain/models/families/reader.hpp"
#include "posttrain/models/families/rope.hpp"

namespace posttrain::models::detail {

inline double inverse_sqrt(double value) { return 1.0 / std::sqrt(value); }

/// Everything after the sizes that Llama and its relatives have in common: RoPE, scale, SiLU.
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

inline constexpr Family kLlama{
    .model_type = "llama",
    .architecture = "LlamaForCausalLM",
    .base = "LlamaModel",
    .reward = "LlamaForSequenceClassification",
    .parse = parse_llama,
};

}  // namespace posttrain::models::detail
