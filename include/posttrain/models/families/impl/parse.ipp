// SPDX-License-Identifier: Apache-2.0
// Definitions of parse.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/json.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/models/config.hpp"
#include "posttrain/models/families/family.hpp"
#include "posttrain/models/families/parse.hpp"
#include "posttrain/models/families/reader.hpp"
#include "posttrain/models/families/table.hpp"

namespace posttrain::models {

namespace detail {

inline std::string supported_families(HeadKind head) {
  std::string names;
  for (const Family& family : kFamilies) {
    if (head == HeadKind::kReward && family.reward.empty()) continue;
    names += names.empty() ? "" : ", ";
    names += family.model_type;
  }
  return names;
}

/// The classifier of one label: transformers says two where nothing is said.
inline void check_one_label(ConfigReader& reader) {
  const auto* names = reader.find("id2label");
  const std::int64_t labels = names && names->is_object() ? static_cast<std::int64_t>(names->size())
                                                          : reader.integer("num_labels", 2);
  if (labels != 1) {
    raise("{}: expected one label (num_labels = 1), the reward, got {}", reader.where(), labels);
  }
}

inline void check_architecture(const ConfigReader& reader, const Family& family,
                               const std::string& architecture, HeadKind head) {
  if (head == HeadKind::kReward && family.reward.empty()) {
    raise("{}: transformers has no reward model of model_type \"{}\"; supported: {}",
          reader.where(), family.model_type, supported_families(head));
  }
  if (architecture.empty() || architecture == family.architecture || architecture == family.base) {
    return;
  }
  const bool rewards = architecture == family.reward;
  if (rewards && head == HeadKind::kReward) return;
  raise("{}: architecture \"{}\" is not supported for model_type \"{}\", only {}{}", reader.where(),
        architecture, family.model_type, family.architecture,
        rewards ? "; hint: hub::RewardModel opens it" : "");
}

inline const Family& find_family(ConfigReader& reader, HeadKind head) {
  const std::string type = reader.text("model_type", "");
  std::string architecture;
  if (const auto* list = reader.array("architectures"); list != nullptr && !list->empty()) {
    architecture = io::text_from(list->front(), reader.where(), "architectures[0]");
  }
  const auto matches = [&](const Family& family) {
    if (!type.empty()) return family.model_type == type;
    return !architecture.empty() &&
           (family.architecture == architecture || family.reward == architecture);
  };
  const auto found = std::ranges::find_if(kFamilies, matches);
  if (found == kFamilies.end()) {
    raise("{}: model_type \"{}\" (architecture \"{}\") is not supported; supported: {}",
          reader.where(), type, architecture, supported_families(head));
  }
  check_architecture(reader, *found, architecture, head);
  if (!architecture.empty() && architecture == found->reward) check_one_label(reader);
  return *found;
}

/// 4-bit weights in the layout of storage/bitsandbytes.hpp.
inline bool is_nf4(const Json& quantization, const std::string& where) {
  io::object_from(quantization, where, "quantization_config");
  const std::string inside = where + ": quantization_config";
  const auto text = [&](const char* key, const char* otherwise) {
    return io::text_under(quantization, key, otherwise, inside);
  };
  return text("quant_method", "") == "bitsandbytes" &&
         io::bool_under(quantization, "load_in_4bit", false, inside) &&
         text("bnb_4bit_quant_type", "fp4") == "nf4" &&
         text("bnb_4bit_quant_storage", "uint8") == "uint8";
}

}  // namespace detail

POSTTRAIN_INLINE DecoderConfig parse_config(std::string_view config_json, HeadKind head,
                                            const std::string& where) {
  const Json object = io::parse_json(config_json, where);
  ConfigReader reader(object, where);
  const detail::Family& family = detail::find_family(reader, head);
  const auto* quantization = reader.find("quantization_config");
  if (quantization && !detail::is_nf4(*quantization, where)) {
    raise(
        "{}: quantised weights are not supported but bitsandbytes' NF4 (quantization_config = {}); "
        "hint: use the folder of the original weights",
        where, io::shown(*quantization));
  }
  DecoderConfig config = family.parse(reader);
  config.model_type = family.model_type;
  reader.finish();
  return head == HeadKind::kReward ? with_reward_head(std::move(config)) : config;
}

POSTTRAIN_INLINE std::string reward_architecture(std::string_view model_type) {
  const auto found = std::ranges::find(detail::kFamilies, model_type, &detail::Family::model_type);
  return found == detail::kFamilies.end() ? "" : std::string(found->reward);
}

}  // namespace posttrain::models
