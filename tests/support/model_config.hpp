// SPDX-License-Identifier: Apache-2.0
// config.json files of the model families: published ones with changes, read or refused.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "posttrain/base/json.hpp"
#include "posttrain/models/families/parse.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"

namespace posttrain::test {

/// `text` with `changes` on top.
inline Json changed(const std::string& text, const Json& changes) {
  Json config = Json::parse(text);
  config.update(changes);
  return config;
}

/// A small config of `type` with `changes` on top.
inline Json small_config(const std::string& type, const Json& changes = Json::object()) {
  Json config = {{"model_type", type},       {"vocab_size", 128},
                 {"hidden_size", 64},        {"intermediate_size", 96},
                 {"num_hidden_layers", 4},   {"num_attention_heads", 4},
                 {"num_key_value_heads", 2}, {"max_position_embeddings", 64},
                 {"pad_token_id", nullptr}};
  config.update(changes);
  return config;
}

inline models::DecoderConfig read_config(const Json& config) {
  return models::parse_config(config.dump());
}

/// The message with which a config is refused; empty if it is not.
inline std::string refusal_of(const Json& config) {
  return error_of([&] { read_config(config); });
}

inline std::vector<std::int64_t> windows_of(const models::DecoderConfig& config) {
  std::vector<std::int64_t> windows;
  for (const auto& layer : config.layers) windows.push_back(layer.window);
  return windows;
}

inline std::vector<int> ropes_of(const models::DecoderConfig& config) {
  std::vector<int> ropes;
  for (const auto& layer : config.layers) ropes.push_back(layer.rope);
  return ropes;
}

}  // namespace posttrain::test
