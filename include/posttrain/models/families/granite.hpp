// SPDX-License-Identifier: Apache-2.0
// Granite 3: a Llama with multipliers on embedding, residuals, attention scores and logits.
#pragma once

#include "posttrain/models/config.hpp"
#include "posttrain/models/families/common.hpp"
#include "posttrain/models/families/family.hpp"
#include "posttrain/models/families/llama.hpp"
#include "posttrain/models/families/reader.hpp"

namespace posttrain::models::detail {

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

// transformers has no reward model of this family.
inline constexpr Family kGranite{
    .model_type = "granite",
    .architecture = "GraniteForCausalLM",
    .base = "GraniteModel",
    .reward = "",
    .parse = parse_granite,
};

}  // namespace posttrain::models::detail
