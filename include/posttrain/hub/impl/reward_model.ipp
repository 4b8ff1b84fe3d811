// SPDX-License-Identifier: Apache-2.0
// Definitions of reward_model.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/hub/reward_model.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/models/families/parse.hpp"

namespace posttrain::hub {

namespace detail {

inline constexpr const char* kScore = "score.weight";

/// The padding id that transformers tells the last token by: of the tokenizer, else of the
/// configuration, else the end of a sequence; one that ends sequences only if there is no other.
inline std::optional<TokenId> padding_id(const Json& config, const text::ChatTokenizer* text) {
  TokenIds candidates, ends = io::token_ids_under(config, "eos_token_id", "config.json");
  const auto token = [&](const std::string& name) {
    if (const auto id = text->tokenizer().id(name); id && !name.empty()) candidates.push_back(*id);
  };
  if (text != nullptr) {
    ends.insert(ends.end(), text->eos_ids().begin(), text->eos_ids().end());
    token(text->pad_token());
  }
  const TokenIds padding = io::token_ids_under(config, "pad_token_id", "config.json");
  candidates.insert(candidates.end(), padding.begin(), padding.end());
  for (const TokenId id : candidates) {
    if (std::ranges::find(ends, id) == ends.end()) return id;
  }
  if (text != nullptr) token(text->eos_token());
  candidates.insert(candidates.end(), ends.begin(), ends.end());
  return candidates.empty() ? std::nullopt : std::optional(candidates.front());
}

}  // namespace detail

POSTTRAIN_INLINE RewardModel::RewardModel(const std::string& folder, models::ModelOptions options)
    : RewardModel(options, open(folder, options, /*with_weights=*/true)) {}

POSTTRAIN_INLINE RewardModel RewardModel::from_scratch(const std::string& folder,
                                                       models::ModelOptions options) {
  return RewardModel(options, open(folder, options, /*with_weights=*/false));
}

POSTTRAIN_INLINE RewardModel::RewardModel(models::ModelOptions options, Opened opened)
    : PretrainedDecoder(options, std::move(opened)) {
  config_text_ = classifier_config();
}

POSTTRAIN_INLINE RewardModel::Opened RewardModel::open(const std::string& folder,
                                                       const models::ModelOptions& options,
                                                       bool with_weights) {
  Opened opened = PretrainedDecoder::open(folder, models::HeadKind::kReward, with_weights);
  if (!with_weights) return opened;
  const auto config = io::parse_json(opened.config_text, "config.json");
  const std::string reward = models::reward_architecture(opened.config.model_type);
  const auto named = config.find("architectures");
  if (named != config.end() && named->is_array() && !named->empty() && named->front() == reward) {
    return opened;  // it must have a head
  }
  opened.loader = [from_folder = opened.loader, seed = options.seed,
                   deviation = opened.config.initializer_range](
                      const std::string& name, const std::vector<std::int64_t>& shape) {
    return name == detail::kScore ? models::drawn_weight(name, shape, seed, deviation)
                                  : from_folder(name, shape);
  };
  return opened;
}

POSTTRAIN_INLINE std::string RewardModel::classifier_config() const {
  auto json = io::parse_json(config_text_, "config.json");
  json["architectures"] = {models::reward_architecture(config().model_type)};
  json["model_type"] = config().model_type;
  json["num_labels"] = 1;
  json["id2label"] = {{"0", "LABEL_0"}};
  json["label2id"] = {{"LABEL_0", 0}};
  // Without the key the family's own value holds, which is no row of the table where it is −1.
  const bool has_default = !json.contains("pad_token_id") && config().padding_id >= 0;
  if (const auto id = detail::padding_id(json, text()); id && !has_default) {
    json["pad_token_id"] = *id;
  }
  return json.dump(2);
}

}  // namespace posttrain::hub
