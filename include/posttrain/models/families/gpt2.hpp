// SPDX-License-Identifier: Apache-2.0
// GPT-2: learned positions, LayerNorm with bias, biases everywhere, a plain two-matrix MLP.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "posttrain/base/error.hpp"
#include "posttrain/models/config.hpp"
#include "posttrain/models/families/common.hpp"
#include "posttrain/models/families/family.hpp"
#include "posttrain/models/families/reader.hpp"

namespace posttrain::models::detail {

inline DecoderConfig parse_gpt2(ConfigReader& reader) {
  DecoderConfig config;
  config.naming = Naming::kGpt2;
  config.vocab_size = reader.integer("vocab_size", 50257);
  config.hidden_size = reader.integer("n_embd", reader.integer("hidden_size", 768));
  const std::int64_t layers = reader.integer("n_layer", reader.integer("num_hidden_layers", 12));
  check_layer_count(reader, "n_layer", layers);
  config.num_heads = reader.integer("n_head", reader.integer("num_attention_heads", 12));
  config.max_positions =
      reader.integer("n_positions", reader.integer("max_position_embeddings", 1024));
  reader.only("n_ctx", config.max_positions);  // an old double of n_positions
  if (config.hidden_size % config.num_heads != 0) {
    raise("{}: expected n_embd to be a multiple of n_head, got {} and {}", reader.where(),
          config.hidden_size, config.num_heads);
  }
  config.num_kv_heads = config.num_heads;
  config.head_dim = config.hidden_size / config.num_heads;
  config.intermediate_size = reader.integer("n_inner", 4 * config.hidden_size);
  config.layers.assign(static_cast<std::size_t>(layers), LayerConfig{.window = 0, .rope = -1});
  config.learned_positions = true;
  config.norm = NormKind::kLayerNorm;
  config.norm_eps = reader.number("layer_norm_epsilon", 1e-5);
  if (!(config.norm_eps >= 0.0)) {
    raise("{}: expected layer_norm_epsilon >= 0, got {}", reader.where(), config.norm_eps);
  }
  config.activation = read_activation(reader, "activation_function", "gelu_new");
  config.gated_mlp = false;
  config.qkv_bias = config.output_bias = config.mlp_bias = true;
  config.tied = reader.flag("tie_word_embeddings", true);
  config.initializer_range = reader.number("initializer_range", 0.02);
  config.attention_scale = reader.flag("scale_attn_weights", true)
                               ? 1.0 / std::sqrt(static_cast<double>(config.head_dim))
                               : 1.0;
  reader.only("scale_attn_by_inverse_layer_idx", false);
  reader.only("add_cross_attention", false);
  reader.only("is_encoder_decoder", false);
  // Precision of the scores only; and heads for other tasks. The embedding has no padding row.
  reader.ignore({"reorder_and_upcast_attn", "summary_type", "summary_use_proj",
                 "summary_activation", "summary_proj_to_labels", "summary_first_dropout",
                 "gradient_checkpointing"});
  reader.dropout({"resid_pdrop", "embd_pdrop", "attn_pdrop"});
  return config;
}

inline constexpr Family kGpt2{
    .model_type = "gpt2",
    .architecture = "GPT2LMHeadModel",
    .base = "GPT2Model",
    .reward = "GPT2ForSequenceClassification",
    .parse = parse_gpt2,
};

}  // namespace posttrain::models::detail
