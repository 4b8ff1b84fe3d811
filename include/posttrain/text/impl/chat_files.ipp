// SPDX-License-Identifier: Apache-2.0
// Definitions of chat_files.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/text/chat_files.hpp"
#include "posttrain/text/chat_template.hpp"

namespace posttrain::text {

POSTTRAIN_INLINE Json parse_object(std::string_view text, std::string_view file) {
  if (text.empty()) return Json::object();
  Json parsed = io::parse_json(text, file);
  if (!parsed.is_object()) raise("{}: expected an object, got {}", file, parsed.type_name());
  return parsed;
}

POSTTRAIN_INLINE Json special_tokens(const Json& tokenizer_config, const Json& special_tokens_map) {
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

POSTTRAIN_INLINE std::vector<std::pair<std::string, ChatTemplate>> chat_templates(
    const ChatFiles& files, const Json& tokenizer_config) {
  std::vector<std::pair<std::string, ChatTemplate>> templates;
  const auto add = [&](const std::string& name, const std::string& source) {
    try {
      templates.emplace_back(name, ChatTemplate::parse(source));
    } catch (const Error& error) {
      if (name == "default") throw;
      raise("template '{}': {}", name, error.what());
    }
  };
  if (!files.chat_template.empty()) add("default", files.chat_template);
  for (const auto& [name, source] : files.additional_templates) add(name, source);
  if (!templates.empty()) return templates;
  const auto found = tokenizer_config.find("chat_template");
  if (found == tokenizer_config.end() || found->is_null()) return templates;
  if (found->is_string()) {
    add("default", found->get_ref<const std::string&>());
  } else if (found->is_array()) {
    for (const Json& entry : *found) {
      if (!entry.is_object() || !entry.contains("name") || !entry.contains("template") ||
          !entry.at("name").is_string() || !entry.at("template").is_string()) {
        fail("tokenizer_config.json: expected {name, template} in the list chat_template");
      }
      add(entry.at("name").get<std::string>(), entry.at("template").get<std::string>());
    }
  } else {
    raise("tokenizer_config.json: expected a string or a list under chat_template, got {}",
          found->type_name());
  }
  return templates;
}

}  // namespace posttrain::text
