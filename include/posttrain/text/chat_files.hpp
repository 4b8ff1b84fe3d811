// SPDX-License-Identifier: Apache-2.0
// Special tokens, templates and end tokens from the files beside a tokenizer.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/json.hpp"
#include "posttrain/text/added_token.hpp"
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
  /// additional_chat_templates/NAME.jinja: name and text.
  std::vector<std::pair<std::string, std::string>> additional_templates{};
};

Json parse_object(std::string_view text, std::string_view file);

/// The added tokens that a tokenizer_config.json names, with their ids there (−1: none), in the
/// order in which transformers' AutoTokenizer adds those that tokenizer.json lacks:
/// added_tokens_decoder, bos_token and its like, extra_special_tokens (or, without a list of those,
/// additional_special_tokens).
std::vector<AddedToken> named_added_tokens(const Json& tokenizer_config);

/// bos_token, eos_token and their like as strings, under their names.
Json special_tokens(const Json& tokenizer_config, const Json& special_tokens_map);

/// Templates by name; a single one is called "default". Files of their own come before those of
/// tokenizer_config.json.
std::vector<std::pair<std::string, std::string>> template_sources(const ChatFiles& files,
                                                                  const Json& tokenizer_config);

/// The same, parsed.
std::vector<std::pair<std::string, ChatTemplate>> chat_templates(const ChatFiles& files,
                                                                 const Json& tokenizer_config);

}  // namespace posttrain::text

#ifndef POSTTRAIN_COMPILED
#include "posttrain/text/impl/chat_files.ipp"
#endif
