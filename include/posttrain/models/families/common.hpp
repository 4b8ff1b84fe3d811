// SPDX-License-Identifier: Apache-2.0
// The parts of a config.json that the families share: sizes, activation, layer types, checks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/models/config.hpp"
#include "posttrain/models/families/reader.hpp"

namespace posttrain::models::detail {

inline Activation read_activation(ConfigReader& reader, std::string_view key,
                                  std::string_view fallback) {
  const std::string name = reader.text(key, fallback);
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "gelu") return Activation::kGelu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast") {
    return Activation::kGeluTanh;  // three spellings of one function
  }
  raise(
      "{}: {} = \"{}\" is not supported; supported: silu, gelu, gelu_new, gelu_fast, "
      "gelu_pytorch_tanh",
      reader.where(), key, name);
}

/// The padding row of the embedding; a negative id counts from the end, as in torch.nn.Embedding.
inline std::int64_t read_padding_id(ConfigReader& reader, std::int64_t vocab_size,
                                    std::optional<std::int64_t> fallback) {
  const auto id = reader.optional_integer("pad_token_id", fallback, -vocab_size);
  if (!id || *id >= vocab_size) return -1;  // outside the table no row is concerned
  return *id < 0 ? *id + vocab_size : *id;
}

/// Defaults of the sizes in a family's configuration class.
struct SizeDefaults {
  std::int64_t vocab = 32000;
  std::int64_t hidden = 4096;
  std::int64_t intermediate = 11008;
  std::int64_t layers = 32;
  std::int64_t heads = 32;
  std::optional<std::int64_t> kv_heads = std::nullopt;  // nothing: as many as query heads
  std::optional<std::int64_t> head_dim = std::nullopt;  // nothing: hidden / heads
  std::int64_t max_positions = 2048;
  std::optional<std::int64_t> padding_id = std::nullopt;
};

// Above these a file is damaged, and reading it should not exhaust the memory.
constexpr std::int64_t kMostLayers = 100000;
constexpr std::int64_t kLargestHead = 65536;

inline void check_layer_count(const ConfigReader& reader, std::string_view key,
                              std::int64_t layers) {
  if (layers > kMostLayers) {
    raise("{}: expected {} <= {}, got {}", reader.where(), key, kMostLayers, layers);
  }
}

/// Sizes under their Llama names, `rms_norm_eps`, padding id, and dropout (accepted, unused).
inline void read_sizes(ConfigReader& reader, const SizeDefaults& defaults, DecoderConfig& config) {
  config.vocab_size = reader.integer("vocab_size", defaults.vocab);
  config.hidden_size = reader.integer("hidden_size", defaults.hidden);
  config.intermediate_size = reader.integer("intermediate_size", defaults.intermediate);
  const std::int64_t layers = reader.integer("num_hidden_layers", defaults.layers);
  check_layer_count(reader, "num_hidden_layers", layers);
  config.layers.assign(static_cast<std::size_t>(layers), LayerConfig{});
  config.num_heads = reader.integer("num_attention_heads", defaults.heads);
  config.num_kv_heads =
      reader.optional_integer("num_key_value_heads", defaults.kv_heads).value_or(config.num_heads);
  if (config.num_heads % config.num_kv_heads != 0) {
    raise("{}: expected num_attention_heads to be a multiple of num_key_value_heads, got {} and {}",
          reader.where(), config.num_heads, config.num_kv_heads);
  }
  const auto head_dim = reader.optional_integer("head_dim", defaults.head_dim);
  if (!head_dim && config.hidden_size % config.num_heads != 0) {
    raise(
        "{}: expected hidden_size to be a multiple of num_attention_heads, got {} and {}; hint: "
        "set head_dim",
        reader.where(), config.hidden_size, config.num_heads);
  }
  config.head_dim = head_dim.value_or(config.hidden_size / config.num_heads);
  if (config.head_dim > kLargestHead) {
    raise("{}: expected at most {} dimensions per head, got {}", reader.where(), kLargestHead,
          config.head_dim);
  }
  config.max_positions = reader.integer("max_position_embeddings", defaults.max_positions);
  config.norm_eps = reader.number("rms_norm_eps", config.norm_eps);
  if (!(config.norm_eps >= 0.0)) {
    raise("{}: expected rms_norm_eps >= 0, got {}", reader.where(), config.norm_eps);
  }
  config.initializer_range = reader.number("initializer_range", 0.02);
  config.padding_id = read_padding_id(reader, config.vocab_size, defaults.padding_id);
  reader.only("is_encoder_decoder", false);
  reader.only("add_cross_attention", false);
  reader.dropout({"attention_dropout"});
}

/// A window of tokens or nothing (absent: `fallback`; null: none).
inline std::optional<std::int64_t> read_window(ConfigReader& reader,
                                               std::optional<std::int64_t> fallback) {
  return reader.optional_integer("sliding_window", fallback);
}

/// `layer_types` as "does layer i slide?", or nothing if the key is absent or null.
inline std::optional<std::vector<bool>> read_layer_types(ConfigReader& reader, std::size_t layers) {
  const auto* list = reader.array("layer_types");
  if (list == nullptr) return std::nullopt;
  if (list->size() != layers) {
    raise("{}: expected layer_types to name {} layers, got {}", reader.where(), layers,
          list->size());
  }
  std::vector<bool> sliding;
  for (const auto& entry : *list) {
    if (entry != "full_attention" && entry != "sliding_attention") {
      raise(
          "{}: layer type {} is not supported; supported: \"full_attention\", "
          "\"sliding_attention\"",
          reader.where(), io::shown(entry));
    }
    sliding.push_back(entry == "sliding_attention");
  }
  return sliding;
}

/// Gives the layers that slide their window.
inline void set_windows(const ConfigReader& reader, const std::vector<bool>& sliding,
                        std::optional<std::int64_t> window, DecoderConfig& config) {
  for (std::size_t i = 0; i < sliding.size(); ++i) {
    if (!sliding[i]) continue;
    if (!window) {
      raise("{}: layer {} is \"sliding_attention\" but no sliding_window is in force",
            reader.where(), i);
    }
    config.layers[i].window = *window;
  }
}

}  // namespace posttrain::models::detail
