// SPDX-License-Identifier: Apache-2.0
// Mistral: a Llama whose layers all attend to a sliding window, with keys and values shared by four
// query heads where nothing is said.
#pragma once

#include <cstdint>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/models/config.hpp"
#include "posttrain/models/families/common.hpp"
#include "posttrain/models/families/family.hpp"
#include "posttrain/models/families/llama.hpp"
#include "posttrain/models/families/reader.hpp"

namespace posttrain::models::detail {

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

inline constexpr Family kMistral{
    .model_type = "mistral",
    .architecture = "MistralForCausalLM",
    .base = "MistralModel",
    .reward = "MistralForSequenceClassification",
    .parse = parse_mistral,
};

}  // namespace posttrain::models::detail
