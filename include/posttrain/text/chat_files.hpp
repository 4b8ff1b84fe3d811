// SPDX-License-Identifier: Apache-2.0
// What the files beside a tokenizer say about chats: special tokens, templates, end tokens.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/core/error.hpp"
#include "posttrain/core/sequence.hpp"
#include "posttrain/text/chat_template.hpp"

namespace posttrain::text {

/// The contents (not paths) of a pretrained folder's text files; empty where a file is absent.
struct ChatFiles {
  std::string tokenizer;           // tokenizer.json, needed
  std::string tokenizer_config;    // tokenizer_config.json
  std::string chat_template;       // chat_template.jinja, before the one of tokenizer_config.json
  std::string special_tokens_map;  // special_tokens_map.json
  std::string generation_config;   // generation_config.json
  std::string config;              // config.json
};

inline Json parse_object(std::string_view text, std::string_view file) {
  if (text.empty()) return Json::object();
  Json parsed;
  try {
    parsed = Json::parse(text);
  } catch (const Json::exception& error) {
    raise("{}: {}", file, error.what());
  }
  if (!parsed.is_object()) raise("{}: expected an object, got {}", file, parsed.type_name());
  return parsed;
}

/// bos_token, eos_token and their like as strings, under their names.
inline Json special_tokens(const Json& tokenizer_config, const Json& special_tokens_map) {
  Json tokens = Json::object();
  for (const Json* file : {&tokenizer_config, &special_tokens_map}) {
    for (const char* name : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                             "cls_token", "mask_token"}) {
      const auto found = file->find(name);
      if (found == file->end() || tokens.contains(name)) continue;
      if (found->is_string()) {
        tokens[name] = *found;
      } else if (found->is_object() && found->contains("content") &&
                 found->at("content").is_string()) {
        tokens[name] = found->at("content");
      }
    }
  }
  return tokens;
}

/// Adds the ids of an `eos_token_id` entry: a number or a list of numbers.
inline void add_eos_ids(const Json& file, std::set<TokenId>& ids) {
  const auto found = file.find("eos_token_id");
  if (found == file.end()) return;
  const auto add = [&](const Json& id) {
    if (id.is_number_integer()) ids.insert(id.get<TokenId>());
  };
  if (found->is_array()) {
    for (const Json& id : *found) add(id);
  } else {
    add(*found);
  }
}

/// Templates by name; a single one is called "default".
inline std::vector<std::pair<std::string, ChatTemplate>> chat_templates(
    const std::string& chat_template, const Json& tokenizer_config) {
  std::vector<std::pair<std::string, ChatTemplate>> templates;
  if (!chat_template.empty()) {
    templates.emplace_back("default", ChatTemplate::parse(chat_template));
    return templates;
  }
  const auto found = tokenizer_config.find("chat_template");
  if (found == tokenizer_config.end() || found->is_null()) return templates;
  if (found->is_string()) {
    templates.emplace_back("default", ChatTemplate::parse(found->get_ref<const std::string&>()));
  } else if (found->is_array()) {
    for (const Json& entry : *found) {
      if (!entry.is_object() || !entry.contains("name") || !entry.contains("template") ||
          !entry.at("name").is_string() || !entry.at("template").is_string()) {
        fail("tokenizer_config.json: expected {name, template} in the list chat_template");
      }
      templates.emplace_back(
          entry.at("name").get<std::string>(),
          ChatTemplate::parse(entry.at("template").get_ref<const std::string&>()));
    }
  } else {
    raise("tokenizer_config.json: expected a string or a list under chat_template, got {}",
          found->type_name());
  }
  return templates;
}

}  // namespace posttrain::text
