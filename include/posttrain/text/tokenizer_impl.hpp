// SPDX-License-Identifier: Apache-2.0
// Definitions of tokenizer.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include <nlohmann/json.hpp>

#include "posttrain/core/compiled.hpp"
#include "posttrain/core/error.hpp"
#include "posttrain/core/sequence.hpp"
#include "posttrain/text/tokenizer.hpp"
#include "posttrain/text/tokenizer_added_tokens.hpp"
#include "posttrain/text/tokenizer_bpe.hpp"
#include "posttrain/text/tokenizer_cache.hpp"
#include "posttrain/text/tokenizer_decoder.hpp"
#include "posttrain/text/tokenizer_normalizer.hpp"
#include "posttrain/text/tokenizer_pre_tokenizer.hpp"
#include "posttrain/text/utf8.hpp"

namespace posttrain::text {

struct Tokenizer::Parts {
  explicit Parts(const nlohmann::json& model_description) : model(model_description) {}

  Bpe model;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  TokenDecoder decoder;
  AddedTokenMatcher raw_matcher, normalized_matcher;
  std::unordered_map<TokenId, AddedToken> added;
  std::unordered_map<std::string, TokenId> added_ids;
  TokenIds before, after;  // what the post-processor's template puts around a text
  std::int64_t size = 0;
  bool raw_bytes = false;
  mutable WordCache cache;

  void encode_into(std::string_view text, PreTokenizer::Place place, TokenIds& ids) const {
    std::string repaired;
    if (!is_valid_utf8(text)) {
      repaired = repair_utf8(text);
      text = repaired;
    }
    for_sections(raw_matcher, text, place, ids, [&](std::string_view raw, auto where) {
      std::string normalized;
      if (!normalizer.empty()) {
        normalized = normalizer(raw, where.fresh);
        raw = normalized;
      }
      for_sections(normalized_matcher, raw, where, ids, [&](std::string_view section, auto inner) {
        encode_section(section, inner, ids);
      });
    });
  }

  /// Pushes the ids of added tokens and hands what lies between to `visit(section, place)`.
  template <class Visit>
  static void for_sections(const AddedTokenMatcher& matcher, std::string_view text,
                           PreTokenizer::Place place, TokenIds& ids, Visit&& visit) {
    if (matcher.empty()) {
      if (!text.empty()) visit(text, place);
      return;
    }
    for (const Section& section : matcher.split(text)) {
      if (section.id >= 0) {
        ids.push_back(section.id);
      } else {
        visit(text.substr(section.begin, section.end - section.begin), place);
      }
      place = {false, true};
    }
  }

  void encode_section(std::string_view section, PreTokenizer::Place place, TokenIds& ids) const {
    if (section.empty()) return;
    Words words;
    words.views.push_back(section);
    pre_tokenizer(words, place, raw_bytes);
    for (const std::string_view word : words.views) {
      cache.get(word, ids, [&](std::string_view fresh, TokenIds& out) {
        if (raw_bytes) {
          model.encode_bytes(fresh, out);
        } else {
          model.encode(fresh, out);
        }
      });
    }
  }
};

POSTTRAIN_INLINE Tokenizer Tokenizer::from_json(std::string_view source) {
  try {
    const nlohmann::json description = nlohmann::json::parse(source);
    if (!description.is_object()) fail("tokenizer.json: expected an object");
    return Tokenizer(description);
  } catch (const nlohmann::json::exception& error) {
    raise("tokenizer.json: {}", error.what());
  }
}

POSTTRAIN_INLINE TokenIds Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  TokenIds ids;
  if (add_special_tokens) ids = parts_->before;
  parts_->encode_into(text, {true, true}, ids);
  if (add_special_tokens) ids.insert(ids.end(), parts_->after.begin(), parts_->after.end());
  return ids;
}

POSTTRAIN_INLINE TokenIds Tokenizer::encode_continuation(std::string_view text,
                                                         std::optional<TokenId> previous) const {
  bool fresh = false;
  if (previous) {
    const auto found = parts_->added.find(*previous);
    fresh = found != parts_->added.end();
    if (fresh && found->second.rstrip) text.remove_prefix(leading_whitespace(text));
  }
  TokenIds ids;
  parts_->encode_into(text, {false, fresh}, ids);
  return ids;
}

POSTTRAIN_INLINE std::string Tokenizer::decode(std::span<const TokenId> ids,
                                               bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const TokenId id : ids) {
    if (skip_special_tokens && is_special(id)) continue;
    if (const std::string* known = find_token(id)) tokens.push_back(*known);
  }
  return parts_->decoder(std::move(tokens));
}

POSTTRAIN_INLINE std::optional<TokenId> Tokenizer::id(std::string_view token) const {
  const auto added = parts_->added_ids.find(std::string(token));
  if (added != parts_->added_ids.end()) return added->second;
  return parts_->model.id(token);
}

POSTTRAIN_INLINE const std::string& Tokenizer::token(TokenId id) const {
  const std::string* known = find_token(id);
  if (known == nullptr) {
    raise("expected a token id of the vocabulary (0 to {}), got {}", vocab_size() - 1, id);
  }
  return *known;
}

POSTTRAIN_INLINE std::int64_t Tokenizer::vocab_size() const { return parts_->size; }

POSTTRAIN_INLINE bool Tokenizer::is_added(TokenId id) const { return parts_->added.contains(id); }

POSTTRAIN_INLINE bool Tokenizer::is_special(TokenId id) const {
  const auto found = parts_->added.find(id);
  return found != parts_->added.end() && found->second.special;
}

POSTTRAIN_INLINE const std::unordered_map<TokenId, AddedToken>& Tokenizer::added_tokens() const {
  return parts_->added;
}

POSTTRAIN_INLINE std::optional<std::pair<std::size_t, std::size_t>> Tokenizer::last_added_token(
    std::string_view text) const {
  std::optional<std::pair<std::size_t, std::size_t>> last;
  for (const AddedTokenMatcher* matcher : {&parts_->raw_matcher, &parts_->normalized_matcher}) {
    if (matcher->empty()) continue;
    for (const Section& section : matcher->split(text)) {
      if (section.id < 0) continue;
      const std::string& content = parts_->added.at(section.id).content;
      const std::size_t begin = text.find(content, section.begin);
      if (begin == std::string_view::npos || begin + content.size() > section.end) continue;
      if (!last || begin + content.size() > last->second) {
        last = std::pair{begin, begin + content.size()};
      }
    }
  }
  return last;
}

POSTTRAIN_INLINE Tokenizer::Tokenizer(const nlohmann::json& description) {
  const auto part = [&](const char* name) {
    return description.contains(name) ? description.at(name) : nlohmann::json();
  };
  const nlohmann::json no_model;
  const auto found = description.find("model");
  const nlohmann::json& model = found != description.end() ? *found : no_model;
  // Older files leave the type out; then the merges tell BPE.
  std::string type = model.is_object() ? model.value("type", std::string()) : std::string();
  if (type.empty() && model.is_object() && model.contains("merges")) type = "BPE";
  if (type != "BPE") {
    raise("tokenizer.json: the model '{}' is not supported; hint: supported is BPE", type);
  }
  auto parts = std::make_shared<Parts>(model);
  parts->normalizer = Normalizer(part("normalizer"));
  parts->pre_tokenizer = PreTokenizer(part("pre_tokenizer"));
  parts->decoder = TokenDecoder(part("decoder"));
  parts->raw_bytes = parts->pre_tokenizer.ends_in_byte_level() && parts->model.complete_bytes();
  parts->size = parts->model.size();
  for (const auto& entry : part("added_tokens")) add_token(*parts, entry);
  add_template(*parts, part("post_processor"));
  parts_ = std::move(parts);
}

POSTTRAIN_INLINE void Tokenizer::add_token(Parts& parts, const nlohmann::json& entry) {
  AddedToken token;
  token.id = entry.at("id").get<TokenId>();
  token.content = entry.at("content").get<std::string>();
  token.special = entry.value("special", false);
  token.normalized = entry.value("normalized", !token.special);
  token.single_word = entry.value("single_word", false);
  token.lstrip = entry.value("lstrip", false);
  token.rstrip = entry.value("rstrip", false);
  if (token.id < 0) raise("tokenizer.json: added token '{}' has id {}", token.content, token.id);
  if (token.normalized) {
    parts.normalized_matcher.add(parts.normalizer(token.content, true), token);
  } else {
    parts.raw_matcher.add(token.content, token);
  }
  parts.size = std::max<std::int64_t>(parts.size, std::int64_t{token.id} + 1);
  parts.added_ids.emplace(token.content, token.id);
  parts.added.emplace(token.id, std::move(token));
}

POSTTRAIN_INLINE void Tokenizer::add_template(Parts& parts, const nlohmann::json& description) {
  if (description.is_null()) return;
  const std::string type = description.at("type").get<std::string>();
  if (type == "ByteLevel") return;  // moves offsets only
  if (type == "Sequence") {
    for (const auto& part : description.at("processors")) add_template(parts, part);
    return;
  }
  TokenIds before;
  TokenIds after;
  if (type == "TemplateProcessing") {
    bool text_seen = false;
    for (const auto& piece : description.at("single")) {
      if (piece.contains("Sequence")) {
        text_seen = true;
        continue;
      }
      const std::string name = piece.at("SpecialToken").at("id").get<std::string>();
      for (const auto& id : description.at("special_tokens").at(name).at("ids")) {
        (text_seen ? after : before).push_back(id.get<TokenId>());
      }
    }
  } else if (type == "RobertaProcessing" || type == "BertProcessing") {
    before.push_back(description.at("cls").at(1).get<TokenId>());
    after.push_back(description.at("sep").at(1).get<TokenId>());
  } else {
    raise(
        "tokenizer.json: the post-processor '{}' is not supported; hint: supported are "
        "TemplateProcessing, ByteLevel, RobertaProcessing, BertProcessing, Sequence",
        type);
  }
  parts.before.insert(parts.before.begin(), before.begin(), before.end());
  parts.after.insert(parts.after.end(), after.begin(), after.end());
}

POSTTRAIN_INLINE const std::string* Tokenizer::find_token(TokenId id) const {
  const auto found = parts_->added.find(id);
  return found != parts_->added.end() ? &found->second.content : parts_->model.token(id);
}

}  // namespace posttrain::text
