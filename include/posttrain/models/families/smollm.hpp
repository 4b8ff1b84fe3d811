// SPDX-License-Identifier: Apache-2.0
// SmolLM3: a Llama in which every fourth layer has no rotary positions (NoPE, arXiv 2305.19466).
// SmolLM2 is a plain Llama.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/models/config.hpp"
#include "posttrain/models/families/common.hpp"
#include "posttrain/models/families/family.hpp"
#include "posttrain/models/families/llama.hpp"
#include "posttrain/models/families/reader.hpp"

namespace posttrain::models::detail {

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

inline constexpr Family kSmolLm3{
    .model_type = "smollm3",
    .architecture = "SmolLM3ForCausalLM",
    .base = "SmolLM3Model",
    .reward = "SmolLM3ForSequenceClassification",
    .parse = parse_smollm3,
};

}  // namespace posttrain::models::detail
