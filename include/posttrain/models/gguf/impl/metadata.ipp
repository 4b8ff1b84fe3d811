// SPDX-License-Identifier: Apache-2.0
// Definitions of metadata.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <tuple>
#include <type_traits>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/describe.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/models/gguf/architectures.hpp"
#include "posttrain/models/gguf/metadata.hpp"
#include "posttrain/models/rope_scaling.hpp"

namespace posttrain::models {

namespace detail {

/// Numbers pass through fp32 on their way.
inline bool same_number(double a, double b) {
  return std::abs(a - b) <= 1e-6 * std::max(std::abs(a), std::abs(b));
}

inline bool same_frequencies(const std::vector<float>& a, const std::vector<float>& b) {
  return std::ranges::equal(
      a, b, [](float x, float y) { return std::abs(x - y) <= 1e-5F * std::abs(x); });
}

/// Whether two settings rotate alike at every length: those up to `length`, and beyond it.
inline bool same_rotation(const RopeSpec& a, const RopeSpec& b, std::int64_t length) {
  const std::int64_t beyond = 4 * length;
  const auto switches = [&](const RopeSpec& rope) {
    return rope.dynamic && !same_frequencies(rope.inv_freq, rope.at_length(beyond));
  };
  if (!same_number(a.attention_factor, b.attention_factor) ||
      !same_frequencies(a.inv_freq, b.inv_freq) || switches(a) != switches(b)) {
    return false;
  }
  return !switches(a) || (a.original_length == b.original_length &&
                          same_frequencies(a.at_length(beyond), b.at_length(beyond)));
}

/// Writes the keys of one model.
class GgufConfigWriter {
 public:
  GgufConfigWriter(io::GgufMetadata& metadata, const DecoderConfig& config, std::string_view text)
      : metadata_(metadata),
        config_(config),
        json_(io::parse_json(text, "config.json")),
        architecture_(gguf_architecture(config.model_type)) {}

  GgufFactors write() {
    metadata_.text("general.architecture", architecture_);
    integer("block_count", config_.num_layers());
    integer("context_length", config_.max_positions);
    integer("embedding_length", config_.hidden_size);
    integer("feed_forward_length", config_.intermediate_size);
    integer("attention.head_count", config_.num_heads);
    if (architecture_ == "gpt2") {
      number("attention.layer_norm_epsilon", config_.norm_eps);
      return {};
    }
    integer("attention.head_count_kv", config_.num_kv_heads);
    number("attention.layer_norm_rms_epsilon", config_.norm_eps);
    integer("attention.key_length", config_.head_dim);
    integer("attention.value_length", config_.head_dim);
    integer("vocab_size", config_.vocab_size);
    if (architecture_ == "granite") {
      number("attention.scale", config_.attention_scale);
      number("embedding_scale", config_.embedding_scale);
      number("residual_scale", config_.residual_scale);
      number("logit_scale", 1.0 / config_.logit_scale);
    }
    if (config_.attention_softcap > 0.0) {
      number("attn_logit_softcapping", config_.attention_softcap);
    }
    if (config_.final_softcap > 0.0) number("final_logit_softcapping", config_.final_softcap);
    windows();
    return rotary();
  }

 private:
  std::string key(std::string_view name) const { return fmt::format("{}.{}", architecture_, name); }
  void integer(std::string_view name, std::int64_t value) {
    if (value < 0 || value > std::numeric_limits<std::uint32_t>::max()) {
      raise("{} = {} is no number of 32 bits, which GGUF has for it", key(name), value);
    }
    metadata_.u32(key(name), static_cast<std::uint32_t>(value));
  }
  void number(std::string_view name, double value) {
    metadata_.f32(key(name), static_cast<float>(value));
  }

  void windows() {
    if (architecture_ != "phi3" && !architecture_.starts_with("gemma")) return;
    std::int64_t window = 0;
    for (const LayerConfig& layer : config_.layers) window = std::max(window, layer.window);
    integer("attention.sliding_window", window);
  }

  GgufFactors rotary() {
    const RopeSpec& rope = config_.ropes.front();
    integer("rope.dimension_count", rope.rotary_dim);
    number("rope.freq_base", rope.theta);
    if (config_.ropes.size() > 1) number("rope.freq_base_swa", config_.ropes[1].theta);
    const std::vector<float> plain = rope::default_frequencies(rope.rotary_dim, rope.theta);
    const auto divisors = [&](const std::vector<float>& frequencies) {
      std::vector<float> factors(plain.size());
      for (std::size_t i = 0; i < plain.size(); ++i) factors[i] = plain[i] / frequencies[i];
      return factors;
    };
    const Json parameters = rope_parameters();
    const std::string type =
        io::text_under(parameters, "rope_type",
                       io::text_under(parameters, "type", "default", "config.json"), "config.json");
    if (architecture_ == "phi3") {
      integer("rope.scaling.original_context_length",
              rope.original_length > 0 ? rope.original_length : config_.max_positions);
    }
    if (!rope.long_inv_freq.empty()) {
      if (architecture_ != "phi3") {
        integer("rope.scaling.original_context_length", rope.original_length);
      }
      number("rope.scaling.attn_factor", rope.attention_factor);
      return {{"rope_factors_long.weight", divisors(rope.long_inv_freq)},
              {"rope_factors_short.weight", divisors(rope.inv_freq)}};
    }
    if (type == "linear") {
      metadata_.text(key("rope.scaling.type"), "linear");
      number("rope.scaling.factor", rope.factor);
    } else if (type == "yarn") {
      metadata_.text(key("rope.scaling.type"), "yarn");
      number("rope.scaling.factor", rope.factor);
      integer("rope.scaling.original_context_length", rope.original_length);
      for (const char* name : {"beta_fast", "beta_slow"}) {
        const auto value = parameters.find(name);
        if (value == parameters.end() || !value->is_number()) continue;
        number(fmt::format("rope.scaling.yarn_{}", name), value->get<double>());
      }
      if (!same_number(rope.attention_factor, rope::yarn_mscale(rope.factor))) {
        number("rope.scaling.yarn_attn_factor", rope.attention_factor);
      }
    } else if (!same_frequencies(rope.inv_freq, plain)) {
      return {{"rope_freqs.weight", divisors(rope.inv_freq)}};
    }
    return {};
  }

  /// Of the layers that see everything, where there are two kinds.
  Json rope_parameters() const {
    for (const char* name : {"rope_scaling", "rope_parameters"}) {
      const auto found = json_.find(name);
      if (found == json_.end() || !found->is_object() || found->empty()) continue;
      const auto full = found->find("full_attention");
      return full != found->end() && full->is_object() ? *full : *found;
    }
    return Json::object();
  }

  io::GgufMetadata& metadata_;
  const DecoderConfig& config_;
  Json json_;
  std::string_view architecture_;
};

}  // namespace detail

POSTTRAIN_INLINE std::string_view gguf_architecture(std::string_view model_type) {
  if (model_type == "mistral") return "llama";
  const auto found =
      std::ranges::find(kGgufArchitectures, model_type, &GgufArchitecture::model_type);
  if (found == kGgufArchitectures.end()) {
    raise("GGUF has no architecture for models of type \"{}\"", model_type);
  }
  return found->name;
}

POSTTRAIN_INLINE GgufFactors add_gguf_config(io::GgufMetadata& metadata,
                                             const DecoderConfig& config,
                                             std::string_view config_text) {
  return detail::GgufConfigWriter(metadata, config, config_text).write();
}

POSTTRAIN_INLINE void check_gguf_config(const DecoderConfig& expected, const DecoderConfig& found,
                                        const std::string& where) {
  const auto refuse = [&](std::string_view what, const std::string& difference) {
    raise("{}: GGUF has no word for this model's {}{}; hint: save a folder, which keeps everything",
          where, what, difference);
  };
  const auto compare = [&]<class Value>(std::string_view name, const Value& a, const Value& b) {
    // What matters to training and drawing alone is not in the metadata.
    if (name == "padding_id" || name == "initializer_range") return;
    if constexpr (std::is_floating_point_v<Value>) {
      if (!detail::same_number(a, b)) refuse(name, fmt::format(" = {} (it would be {})", a, b));
    } else if constexpr (std::is_arithmetic_v<Value> || std::is_enum_v<Value>) {
      if (a != b) {
        refuse(name, fmt::format(" = {} (it would be {})", describe(a), describe(b)));
      }
    }
  };
  const auto fields = posttrain::detail::tie_fields(expected),
             others = posttrain::detail::tie_fields(found);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (compare(posttrain::detail::field_name<DecoderConfig, I>(), std::get<I>(fields),
             std::get<I>(others)),
     ...);
  }
  (std::make_index_sequence<std::tuple_size_v<decltype(fields)>>{});
  for (std::size_t i = 0; i < std::min(expected.layers.size(), found.layers.size()); ++i) {
    const LayerConfig &a = expected.layers[i], &b = found.layers[i];
    if (a.window != b.window) {
      refuse(fmt::format("window of layer {}", i),
             fmt::format(" = {} (it would be {})", a.window, b.window));
    }
    if ((a.rope < 0) != (b.rope < 0) ||
        (a.rope >= 0 && !detail::same_rotation(expected.ropes[static_cast<std::size_t>(a.rope)],
                                               found.ropes[static_cast<std::size_t>(b.rope)],
                                               expected.max_positions))) {
      refuse(fmt::format("rotary settings of layer {}", i), "");
    }
  }
  if (expected.num_layers() != found.num_layers()) refuse("number of layers", "");
}

}  // namespace posttrain::models
