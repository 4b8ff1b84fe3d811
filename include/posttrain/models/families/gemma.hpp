// SPDX-License-Identifier: Apache-2.0
// Gemma 2 and Gemma 3 (text): norms of the form x̂·(1 + w) around each block, a scaled embedding,
// alternating windows, soft-caps (2), norms on q and k and a second rotary base (3).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/json.hpp"
#include "posttrain/models/config.hpp"
#include "posttrain/models/families/common.hpp"
#include "posttrain/models/families/family.hpp"
#include "posttrain/models/families/reader.hpp"
#include "posttrain/models/families/rope.hpp"

namespace posttrain::models::detail {

inline void read_gemma_common(ConfigReader& reader, std::int64_t vocab, std::int64_t max_positions,
                              DecoderConfig& config) {
  read_sizes(reader,
             {.vocab = vocab,
              .hidden = 2304,
              .intermediate = 9216,
              .layers = 26,
              .heads = 8,
              .kv_heads = 4,
              .head_dim = 256,
              .max_positions = max_positions,
              .padding_id = 0},
             config);
  config.norm = NormKind::kRmsPlusOne;
  config.post_norms = true;
  config.activation = read_activation(reader, "hidden_activation", "gelu_pytorch_tanh");
  reader.ignore({"hidden_act"});  // older files carry it beside hidden_activation; not read there
  config.tied = reader.flag("tie_word_embeddings", true);
  config.qkv_bias = config.output_bias = reader.flag("attention_bias", false);
  // The scale is a buffer that is cast to the weights' dtype before the product.
  config.lookup_scale = std::sqrt(static_cast<double>(config.hidden_size));
  config.attention_scale = 1.0 / std::sqrt(reader.positive("query_pre_attn_scalar", 256.0));
  reader.only("use_bidirectional_attention", false);
}

inline double read_softcap(ConfigReader& reader, std::string_view key,
                           std::optional<double> fallback) {
  const auto cap = reader.optional_number(key, fallback);
  if (!cap) return 0.0;
  if (!(*cap > 0.0)) raise("{}: expected {} > 0 or null, got {}", reader.where(), key, *cap);
  return *cap;
}

/// Every `pattern`-th layer attends to everything, the others slide; `layer_types` wins.
inline std::vector<bool> gemma_layer_types(ConfigReader& reader, std::size_t layers,
                                           std::int64_t pattern) {
  if (auto types = read_layer_types(reader, layers)) return *types;
  std::vector<bool> sliding(layers);
  for (std::size_t i = 0; i < layers; ++i) {
    sliding[i] = (static_cast<std::int64_t>(i) + 1) % pattern != 0;
  }
  return sliding;
}

inline DecoderConfig parse_gemma2(ConfigReader& reader) {
  DecoderConfig config;
  read_gemma_common(reader, 256000, 8192, config);
  config.attention_softcap = read_softcap(reader, "attn_logit_softcapping", 50.0);
  config.final_softcap = read_softcap(reader, "final_logit_softcapping", 30.0);
  config.ropes = {
      read_rope(reader, {.head_dim = config.head_dim, .max_positions = config.max_positions})};
  const auto window = read_window(reader, 4096);
  set_windows(reader, gemma_layer_types(reader, config.layers.size(), 2), window, config);
  return config;
}

inline constexpr Family kGemma2{
    .model_type = "gemma2",
    .architecture = "Gemma2ForCausalLM",
    .base = "Gemma2Model",
    .reward = "Gemma2ForSequenceClassification",
    .parse = parse_gemma2,
};

/// The rotary settings of full and sliding layers: ropes[0] and ropes[1].
inline std::vector<RopeSpec> read_gemma3_ropes(ConfigReader& reader, const DecoderConfig& config) {
  RopeContext full{
      .theta = 1000000.0, .head_dim = config.head_dim, .max_positions = config.max_positions};
  RopeContext sliding = full;
  full.theta = reader.positive("rope_theta", 1000000.0);
  sliding.theta = reader.positive("rope_local_base_freq", 10000.0);

  Json full_parameters = Json::object();
  Json sliding_parameters = Json::object();
  if (const Json* both = reader.find("rope_parameters")) {
    ConfigReader inner(*both, reader.where() + ": rope_parameters");
    if (const Json* own = inner.find("full_attention")) full_parameters = *own;
    if (const Json* own = inner.find("sliding_attention")) sliding_parameters = *own;
    inner.finish();
  }
  if (const Json* scaling = reader.find("rope_scaling")) {  // the full layers', as in transformers
    if (!scaling->is_object() || !full_parameters.is_object()) {
      raise("{}: expected rope_scaling to be an object, got {}", reader.where(),
            io::shown(*scaling));
    }
    full_parameters.update(*scaling);
    if (scaling->contains("type") && !scaling->contains("rope_type")) {
      full_parameters["rope_type"] = (*scaling)["type"];
    }
  }
  return {make_rope(full_parameters, full, reader.where() + ": full_attention rotary settings"),
          make_rope(sliding_parameters, sliding,
                    reader.where() + ": sliding_attention rotary settings")};
}

inline DecoderConfig parse_gemma3_text(ConfigReader& reader) {
  DecoderConfig config;
  read_gemma_common(reader, 262208, 131072, config);
  config.qk_norm = true;
  // Read and stored by the original, never applied to its attention scores.
  reader.ignore({"attn_logit_softcapping"});
  config.final_softcap = read_softcap(reader, "final_logit_softcapping", std::nullopt);
  config.ropes = read_gemma3_ropes(reader, config);
  const auto window = read_window(reader, 4096);
  const std::int64_t pattern = reader.integer("sliding_window_pattern", 6);
  const auto sliding = gemma_layer_types(reader, config.layers.size(), pattern);
  set_windows(reader, sliding, window, config);
  for (std::size_t i = 0; i < sliding.size(); ++i) config.layers[i].rope = sliding[i] ? 1 : 0;
  return config;
}

inline constexpr Family kGemma3Text{
    .model_type = "gemma3_text",
    .architecture = "Gemma3ForCausalLM",
    .base = "Gemma3TextModel",
    .reward = "Gemma3TextForSequenceClassification",
    .parse = parse_gemma3_text,
};

}  // namespace posttrain::models::detail
