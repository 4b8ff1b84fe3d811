// SPDX-License-Identifier: Apache-2.0
// Definitions of tokenizer.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <atomic>
#include <exception>
#include <nlohmann/json.hpp>
#include <thread>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/io/file.hpp"
#include "posttrain/io/impl/json_builder.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/text/tokenizer.hpp"
#include "posttrain/text/tokenizer/aligned_text.hpp"
#include "posttrain/text/tokenizer/fields.hpp"
#include "posttrain/text/tokenizer/pipeline.hpp"
#include "posttrain/text/tokenizer/post_processor.hpp"
#include "posttrain/text/tokenizer/word_cache.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

struct Tokenizer::Parts : TokenPipeline {
  using TokenPipeline::TokenPipeline;
};

POSTTRAIN_INLINE Tokenizer Tokenizer::from_json(std::string_view source,
                                                const std::vector<AddedToken>& more) {
  if (source.empty()) {
    fail(
        "tokenizer.json: expected a tokenizer, found no such file or an empty one; hint: "
        "AutoTokenizer.from_pretrained(…).save_pretrained writes it");
  }
  io::refuse_lfs_pointer(source, "tokenizer.json");
  std::string problem;
  const auto description = io::try_parse_json_as<nlohmann::json>(source, problem);
  if (!description) raise("tokenizer.json: {}", problem);
  if (!description->is_object()) fail("tokenizer.json: expected an object");
  return Tokenizer(*description, more);
}

POSTTRAIN_INLINE void Tokenizer::encode_ids(std::string_view text, bool continues, bool fresh,
                                            TokenIds& ids) const {
  const std::string repaired = is_valid_utf8(text) ? std::string() : repair_utf8(text);
  if (!repaired.empty()) text = repaired;
  const CachePool::Lease cache(parts_->caches);
  parts_->encode_into(text, {continues, fresh}, {ids, nullptr, &*cache});
}

POSTTRAIN_INLINE TokenIds Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  const PostProcessor& special = parts_->post_processor;
  TokenIds ids;
  ids.reserve(text.size() / 4 + 8);
  if (add_special_tokens) ids = special.before();
  encode_ids(text, false, true, ids);
  if (add_special_tokens) ids.insert(ids.end(), special.after().begin(), special.after().end());
  return ids;
}

POSTTRAIN_INLINE Encoding Tokenizer::encode_with_offsets(std::string_view text,
                                                         bool add_special_tokens) const {
  const std::string repaired = is_valid_utf8(text) ? std::string() : repair_utf8(text);
  if (!repaired.empty()) text = repaired;
  Encoding out;
  std::vector<ByteRange> offsets;
  parts_->encode_into(text, {}, {out.ids, &offsets, nullptr});
  parts_->post_processor(out.ids, offsets, text, add_special_tokens,
                         [&](std::size_t i) -> std::string_view {
                           const auto [begin, end] = offsets[i];
                           // An added token is the text that it matched, white space and all.
                           if (begin < end && is_added(out.ids[i])) {
                             return text.substr(begin, end - begin);
                           }
                           return token(out.ids[i]);
                         });
  out.offsets.reserve(offsets.size());
  for (const ByteRange& range : offsets) out.offsets.emplace_back(range.begin, range.end);
  return out;
}

POSTTRAIN_INLINE std::vector<TokenIds> Tokenizer::encode_batch(std::span<const std::string> texts,
                                                               bool add_special_tokens,
                                                               unsigned threads) const {
  std::vector<TokenIds> out(texts.size());
  if (threads == 0) threads = std::max(1U, std::thread::hardware_concurrency());
  threads = static_cast<unsigned>(std::min<std::size_t>(threads, texts.size()));
  std::atomic<std::size_t> next = 0;
  std::vector<std::exception_ptr> errors(std::max(1U, threads));
  const auto work = [&](std::size_t worker) {
    try {
      for (std::size_t i = next++; i < texts.size(); i = next++) {
        out[i] = encode(texts[i], add_special_tokens);
      }
    } catch (...) {
      errors[worker] = std::current_exception();
      next = texts.size();
    }
  };
  std::vector<std::jthread> others;
  for (unsigned t = 1; t < threads; ++t) others.emplace_back(work, t);
  work(0);
  others.clear();  // joins
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  return out;
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
  encode_ids(text, true, fresh, ids);
  return ids;
}

POSTTRAIN_INLINE std::string Tokenizer::decode(std::span<const TokenId> ids,
                                               bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const TokenId id : ids) {
    const auto normalized = parts_->normalized_contents.find(id);
    if (normalized != parts_->normalized_contents.end()) {
      tokens.push_back(normalized->second);  // not taken for special either
    } else if (skip_special_tokens && is_special(id)) {
      continue;
    } else if (const std::string* known = find_token(id)) {
      tokens.push_back(*known);
    }
  }
  return parts_->decoder(std::move(tokens));
}

POSTTRAIN_INLINE std::optional<TokenId> Tokenizer::id(std::string_view token) const {
  const auto added = parts_->added_ids.find(std::string(token));
  if (added != parts_->added_ids.end()) return added->second;
  return parts_->model.vocabulary().id(token);
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

POSTTRAIN_INLINE Tokenizer::Tokenizer(const nlohmann::json& description,
                                      const std::vector<AddedToken>& more) {
  const auto part = [&](const char* name) {
    return description.contains(name) ? description.at(name) : nlohmann::json();
  };
  auto parts = std::make_shared<Parts>(io::required_under(description, "model", Fields::kFile));
  parts->normalizer = Normalizer(part("normalizer"));
  parts->pre_tokenizer = PreTokenizer(part("pre_tokenizer"));
  parts->decoder = TokenDecoder(part("decoder"));
  parts->post_processor = PostProcessor(part("post_processor"));
  if (parts->pre_tokenizer.ends_in_byte_level()) parts->raw_bytes = parts->model.byte_level();
  parts->size = parts->model.vocabulary().size();
  parts->free_id = parts->model.vocabulary().count();
  if (const auto* added = io::array_under(description, "added_tokens", Fields::kFile)) {
    for (std::size_t i = 0; i < added->size(); ++i) {
      add_token(*parts, read_token((*added)[i], fmt::format("added_tokens[{}]", i)));
    }
  }
  for (const AddedToken& token : more) {
    if (token.content.empty()) continue;  // "bos_token": "" stands for none
    add_token(*parts, token);
    const TokenId id = parts->added_ids.at(token.content);
    if (token.id >= 0 && id != token.id) {
      raise(
          "tokenizer_config.json: the added token '{}' is said to have the id {} and "
          "tokenizer.json, "
          "which does not hold it, gives it {}; hint: save the tokenizer with save_pretrained",
          token.content, token.id, id);
    }
  }
  parts_ = std::move(parts);
}

POSTTRAIN_INLINE AddedToken Tokenizer::read_token(const nlohmann::json& entry,
                                                  const std::string& place) {
  const Fields fields(entry, place);
  AddedToken token;
  token.content = fields.text("content");
  token.id = io::token_id_from(fields.at("id"), fields.where(), "id");
  token.special = fields.flag("special", false);
  token.normalized = fields.flag("normalized", !token.special);
  token.single_word = fields.flag("single_word", false);
  token.lstrip = fields.flag("lstrip", false);
  token.rstrip = fields.flag("rstrip", false);
  return token;
}

POSTTRAIN_INLINE void Tokenizer::add_token(Parts& parts, AddedToken token) {
  if (token.content.empty() || parts.added_ids.contains(token.content)) return;
  token.id =
      parts.model.vocabulary().id(token.content).value_or(static_cast<TokenId>(parts.free_id));
  parts.free_id = std::max<std::int64_t>(parts.free_id, std::int64_t{token.id} + 1);
  if (token.normalized) {
    const AlignedText content(token.content, 0, false);
    std::string normalized = parts.normalizer(content, true).text;
    parts.normalized_matcher.add(normalized, token);
    if (normalized != token.content) {
      parts.normalized_contents.insert_or_assign(token.id, std::move(normalized));
    }
  } else {
    parts.raw_matcher.add(token.content, token);
  }
  parts.size = std::max<std::int64_t>(parts.size, std::int64_t{token.id} + 1);
  parts.added_ids.emplace(token.content, token.id);
  parts.added.emplace(token.id, std::move(token));
}

POSTTRAIN_INLINE const std::string* Tokenizer::find_token(TokenId id) const {
  const auto found = parts_->added.find(id);
  return found != parts_->added.end() ? &found->second.content
                                      : parts_->model.vocabulary().token(id);
}

}  // namespace posttrain::text
