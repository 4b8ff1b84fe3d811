// SPDX-License-Identifier: Apache-2.0
// Definitions of chat_files.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>
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

namespace detail {

inline AddedToken added_token_from(const Json& entry, TokenId id) {
  AddedToken token{.id = id, .special = true};
  if (entry.is_string()) {
    token.content = entry.get<std::string>();
    return token;
  }
  const auto flag = [&](const char* key, bool otherwise) {
    const auto found = entry.find(key);
    return found != entry.end() && found->is_boolean() ? found->get<bool>() : otherwise;
  };
  const auto content = entry.find("content");
  if (content != entry.end() && content->is_string()) token.content = content->get<std::string>();
  token.special = flag("special", id < 0);
  token.normalized = flag("normalized", !token.special);
  token.single_word = flag("single_word", false);
  token.lstrip = flag("lstrip", false);
  token.rstrip = flag("rstrip", false);
  return token;
}

}  // namespace detail

POSTTRAIN_INLINE std::vector<AddedToken> named_added_tokens(const Json& tokenizer_config) {
  std::vector<AddedToken> tokens;
  const auto add = [&](const Json& entry) {
    if (entry.is_string() || entry.is_object()) {
      tokens.push_back(detail::added_token_from(entry, -1));
    }
  };
  const auto value = [&](const char* key) {
    const auto found = tokenizer_config.find(key);
    return found == tokenizer_config.end() ? Json() : *found;
  };
  const Json decoder = value("added_tokens_decoder");
  for (const auto& [id, entry] : decoder.items()) {
    TokenId number = -1;
    const auto read = std::from_chars(id.data(), id.data() + id.size(), number);
    if (read.ec != std::errc() || read.ptr != id.data() + id.size() || !entry.is_object()) {
      raise("tokenizer_config.json: expected added_tokens_decoder to map ids to tokens, got '{}'",
            id);
    }
    tokens.push_back(detail::added_token_from(entry, number));
  }
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  for (const char* name : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                           "cls_token", "mask_token"}) {
    add(value(name));
  }
  const Json extra = value("extra_special_tokens"), additional = value("additional_special_tokens");
  for (const auto& [name, entry] : extra.items()) add(entry);
  if (!extra.is_array() && additional.is_array()) {
    for (const Json& entry : additional) add(entry);
  }
  return tokens;
}

POSTTRAIN_INLINE Json special_tokens(const Json& tokenizer_config, const Json& special_tokens_map) {
  Json tokens = Json::object();
  for (const Json* file : {&tokenizer_config, &special_tokens_map}) {
    const char* of = file == &tokenizer_config ? "tokenizer_config" : "special_tokens_map";
    for (const char* name : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                             "cls_token", "mask_token"}) {
      const auto found = file->find(name);
      if (found == file->end() || found->is_null() || tokens.contains(name)) continue;
      const bool entry = found->is_object() && found->contains("content");
      const Json& content = entry ? found->at("content") : *found;
      if (!content.is_string()) {
        raise(
            "{}.json: expected the text of a token under {}, or an object with it under content, "
            "got {}",
            of, name, io::shown(*found));
      }
      tokens[name] = content;
    }
  }
  return tokens;
}

POSTTRAIN_INLINE std::vector<std::pair<std::string, std::string>> template_sources(
    const ChatFiles& files, const Json& tokenizer_config) {
  std::vector<std::pair<std::string, std::string>> sources;
  if (!files.chat_template.empty()) sources.emplace_back("default", files.chat_template);
  sources.insert(sources.end(), files.additional_templates.begin(),
                 files.additional_templates.end());
  if (!sources.empty()) return sources;
  const auto found = tokenizer_config.find("chat_template");
  if (found == tokenizer_config.end() || found->is_null()) return sources;
  if (found->is_string()) {
    sources.emplace_back("default", found->get_ref<const std::string&>());
  } else if (found->is_array()) {
    for (const Json& entry : *found) {
      if (!entry.is_object() || !entry.contains("name") || !entry.contains("template") ||
          !entry.at("name").is_string() || !entry.at("template").is_string()) {
        fail("tokenizer_config.json: expected {name, template} in the list chat_template");
      }
      sources.emplace_back(entry.at("name").get<std::string>(),
                           entry.at("template").get<std::string>());
    }
  } else {
    raise("tokenizer_config.json: expected a string or a list under chat_template, got {}",
          found->type_name());
  }
  return sources;
}

POSTTRAIN_INLINE std::vector<std::pair<std::string, ChatTemplate>> chat_templates(
    const ChatFiles& files, const Json& tokenizer_config) {
  std::vector<std::pair<std::string, ChatTemplate>> templates;
  for (const auto& [name, source] : template_sources(files, tokenizer_config)) {
    try {
      templates.emplace_back(name, ChatTemplate::parse(source));
    } catch (const Error& error) {
      if (name == "default") throw;
      raise("template '{}': {}", name, error.what());
    }
  }
  return templates;
}

}  // namespace posttrain::text
