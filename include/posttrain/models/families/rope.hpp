// SPDX-License-Identifier: Apache-2.0
// Rotary settings of a config.json, in both layouts, to a `RopeSpec`.
//
// Old: top-level `rope_theta` and `rope_scaling` (`type` or `rope_type`). New (transformers 5):
// `rope_parameters` with everything inside; `rope_scaling` wins if both are there, as there.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/json.hpp"
#include "posttrain/models/config.hpp"
#include "posttrain/models/families/reader.hpp"
#include "posttrain/models/rope_scaling.hpp"

namespace posttrain::models {

/// The numbers that rotary settings need from the rest of a config.
struct RopeContext {
  double theta = 10000.0;  // if the parameters name none
  double partial = 1.0;    // share of the head that is rotated, if the parameters name none
  bool partial_allowed = false;
  bool phi3 = false;  // `su` and `yarn` are old names of `longrope`
  std::int64_t head_dim = 0;
  std::int64_t max_positions = 0;
  // The top-level key; wins over the inner one.
  std::optional<std::int64_t> original_positions = std::nullopt;
};

namespace detail {

inline std::vector<float> rope_factors(ConfigReader& reader, std::string_view key,
                                       std::int64_t count) {
  const auto* list = reader.array(key);
  if (list == nullptr || static_cast<std::int64_t>(list->size()) != count) {
    raise("{}: expected {} to list {} numbers (rotated dimensions / 2), got {}", reader.where(),
          key, count, list == nullptr ? std::string("none") : std::to_string(list->size()));
  }
  std::vector<float> factors;
  for (const auto& entry : *list) {
    const double factor = reader.checked_number(key, entry);
    if (!(factor > 0.0)) {
      raise("{}: expected {} to hold numbers > 0, got {}", reader.where(), key, factor);
    }
    factors.push_back(static_cast<float>(factor));
  }
  return factors;
}

}  // namespace detail

/// `parameters` is one flat object (`{}` for none); `where` names it in messages.
inline RopeSpec make_rope(const Json& parameters, const RopeContext& context, std::string where) {
  ConfigReader reader(parameters, std::move(where));
  const std::string old_type = reader.text("type", "default");
  std::string type = reader.text("rope_type", old_type);
  if (context.phi3 && (type == "su" || type == "yarn")) type = "longrope";

  RopeSpec spec;
  spec.theta = reader.positive("rope_theta", context.theta);
  const double partial = reader.positive("partial_rotary_factor", context.partial);
  if (partial > 1.0 || (partial != 1.0 && !context.partial_allowed)) {
    raise("{}: expected partial_rotary_factor {}, got {}", reader.where(),
          context.partial_allowed ? "<= 1" : "1 for this family", partial);
  }
  spec.rotary_dim = static_cast<std::int64_t>(static_cast<double>(context.head_dim) * partial);
  if (spec.rotary_dim < 2 || spec.rotary_dim % 2 != 0) {
    raise("{}: expected an even number >= 2 of rotated dimensions, got {} of head_dim {}",
          reader.where(), spec.rotary_dim, context.head_dim);
  }

  const auto required_factor = [&] {
    if (reader.find("factor") == nullptr) {
      raise("{}: rope type \"{}\" needs a factor", reader.where(), type);
    }
    return reader.positive("factor", 1.0);
  };
  const auto original_length = [&] {
    const std::int64_t inner =
        reader.integer("original_max_position_embeddings", context.max_positions);
    return context.original_positions.value_or(inner);
  };

  if (type == "default") {
    reader.only("factor", 1.0);
    reader.ignore({"original_max_position_embeddings"});
    spec.inv_freq = rope::default_frequencies(spec.rotary_dim, spec.theta);
  } else if (type == "linear") {
    spec.factor = required_factor();
    reader.ignore({"original_max_position_embeddings"});
    spec.inv_freq = rope::linear_frequencies(spec.rotary_dim, spec.theta, spec.factor);
  } else if (type == "dynamic") {
    // The original length is always max_position_embeddings here.
    reader.only("original_max_position_embeddings", context.max_positions);
    spec.factor = required_factor();
    spec.dynamic = true;
    spec.original_length = context.max_positions;
    if (spec.rotary_dim < 4) {
      raise("{}: rope type \"dynamic\" needs at least 4 rotated dimensions, got {}", reader.where(),
            spec.rotary_dim);
    }
    spec.inv_freq = rope::default_frequencies(spec.rotary_dim, spec.theta);
  } else if (type == "llama3") {
    rope::Llama3Scaling scaling;
    scaling.factor = spec.factor = required_factor();
    for (const char* key : {"low_freq_factor", "high_freq_factor"}) {
      if (reader.find(key) == nullptr) {
        raise("{}: rope type \"llama3\" needs {}", reader.where(), key);
      }
    }
    scaling.low_freq_factor = reader.positive("low_freq_factor", 1.0);
    scaling.high_freq_factor = reader.positive("high_freq_factor", 4.0);
    if (scaling.high_freq_factor <= scaling.low_freq_factor) {
      raise("{}: expected high_freq_factor > low_freq_factor, got {} and {}", reader.where(),
            scaling.high_freq_factor, scaling.low_freq_factor);
    }
    spec.original_length = original_length();
    scaling.original_length = static_cast<double>(spec.original_length);
    spec.inv_freq = rope::llama3_frequencies(spec.rotary_dim, spec.theta, scaling);
  } else if (type == "yarn") {
    rope::YarnScaling scaling;
    spec.original_length = original_length();
    scaling.original_length = static_cast<double>(spec.original_length);
    scaling.factor = spec.factor = reader.positive(
        "factor", static_cast<double>(context.max_positions) / scaling.original_length);
    const double beta_fast = reader.number("beta_fast", 0.0);
    const double beta_slow = reader.number("beta_slow", 0.0);
    if (beta_fast != 0.0) scaling.beta_fast = beta_fast;  // 0 means the default, as there
    if (beta_slow != 0.0) scaling.beta_slow = beta_slow;
    if (!(scaling.beta_slow > 0.0 && scaling.beta_fast >= scaling.beta_slow)) {
      raise("{}: expected beta_fast >= beta_slow > 0, got {} and {}", reader.where(),
            scaling.beta_fast, scaling.beta_slow);
    }
    if (spec.theta <= 1.0) {
      raise("{}: rope type \"yarn\" needs rope_theta > 1, got {}", reader.where(), spec.theta);
    }
    scaling.truncate = reader.flag("truncate", true);
    const double mscale = reader.number("mscale", 0.0);
    const double mscale_all_dim = reader.number("mscale_all_dim", 0.0);
    const double inferred = mscale != 0.0 && mscale_all_dim != 0.0
                                ? rope::yarn_mscale(spec.factor, mscale) /
                                      rope::yarn_mscale(spec.factor, mscale_all_dim)
                                : rope::yarn_mscale(spec.factor);
    spec.attention_factor = reader.number("attention_factor", inferred);
    reader.ignore({"finetuned"});
    spec.inv_freq = rope::yarn_frequencies(spec.rotary_dim, spec.theta, scaling);
  } else if (type == "longrope") {
    spec.dynamic = true;
    spec.original_length = original_length();
    const auto original = static_cast<double>(spec.original_length);
    spec.factor = reader.positive("factor", static_cast<double>(context.max_positions) / original);
    spec.attention_factor =
        reader.number("attention_factor", rope::longrope_attention_factor(spec.factor, original));
    const std::int64_t half = spec.rotary_dim / 2;
    const auto short_factors = detail::rope_factors(reader, "short_factor", half);
    const auto long_factors = detail::rope_factors(reader, "long_factor", half);
    spec.inv_freq = rope::longrope_frequencies(spec.rotary_dim, spec.theta, short_factors);
    spec.long_inv_freq = rope::longrope_frequencies(spec.rotary_dim, spec.theta, long_factors);
  } else {
    raise(
        "{}: rope type \"{}\" is not supported; supported: default, linear, dynamic, llama3, yarn, "
        "longrope",
        reader.where(), type);
  }
  reader.finish();
  return spec;
}

/// The one rotary setting of a family whose layers share it.
inline RopeSpec read_rope(ConfigReader& reader, RopeContext context) {
  static const Json kNone = Json::object();
  context.theta = reader.positive("rope_theta", context.theta);
  context.partial = reader.positive("partial_rotary_factor", context.partial);
  if (!context.original_positions) {
    context.original_positions =
        reader.optional_integer("original_max_position_embeddings", std::nullopt);
  }
  const auto* old_layout = reader.find("rope_scaling");
  const auto* new_layout = reader.find("rope_parameters");
  if (old_layout != nullptr && !old_layout->empty()) {
    return make_rope(*old_layout, context, reader.where() + ": rope_scaling");
  }
  if (new_layout != nullptr) {
    return make_rope(*new_layout, context, reader.where() + ": rope_parameters");
  }
  return make_rope(kNone, context, reader.where());
}

}  // namespace posttrain::models
