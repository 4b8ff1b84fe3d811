// SPDX-License-Identifier: Apache-2.0
// Text to token ids and back, as a tokenizer.json describes it.
//
// added tokens → normalizer → pre-tokenizer → model → post-processor, in the order and with the
// ties of Hugging Face's `tokenizers`. Truncation and padding stated in the file are ignored:
// lengths belong to the data policies. Input that is not UTF-8 is repaired with U+FFFD first.
// Copies share the vocabulary and are cheap; one tokenizer may serve several threads.
#pragma once

#include <cstddef>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/text/added_token.hpp"

namespace posttrain::text {

/// The ids of a text, and for each the bytes [begin, end) of the text that it stands for. A special
/// token that the text does not hold has an empty range.
struct Encoding {
  TokenIds ids;
  std::vector<std::pair<std::size_t, std::size_t>> offsets;
};

class Tokenizer {
 public:
  /// Reads the text of a tokenizer.json. An unsupported component is an error that names it. Ids of
  /// added tokens are those that the tokenizers package gives: the vocabulary's, else the next free
  /// one. `more` are added tokens that the files beside it name (text/chat_files.hpp); one whose
  /// own id (if not negative) would be another is an error.
  static Tokenizer from_json(std::string_view source, const std::vector<AddedToken>& more = {});

  /// The ids of a text. Special tokens written in the text are recognised as such;
  /// `add_special_tokens` adds those of the post-processor's template (a BOS, say).
  TokenIds encode(std::string_view text, bool add_special_tokens = false) const;

  /// Ids with their offsets in bytes, as `tokenizers` gives them. Where the text is not UTF-8 they
  /// refer to the repaired text.
  Encoding encode_with_offsets(std::string_view text, bool add_special_tokens = false) const;

  /// The ids of many texts, by `threads` threads (0: one per core).
  std::vector<TokenIds> encode_batch(std::span<const std::string> texts,
                                     bool add_special_tokens = false, unsigned threads = 0) const;

  /// The ids of a stretch that continues an earlier one: no special tokens and no prefix space at
  /// its start. `previous` is the last id of what went before: behind an added token the stretch
  /// starts a section of its own (and loses what that token swallows), as in the whole text.
  TokenIds encode_continuation(std::string_view text,
                               std::optional<TokenId> previous = std::nullopt) const;

  /// The text of ids; ids outside the vocabulary (a padded embedding has some) count as nothing.
  std::string decode(std::span<const TokenId> ids, bool skip_special_tokens = false) const;

  std::optional<TokenId> id(std::string_view token) const;

  /// The token of an id; an id outside the vocabulary is an error.
  const std::string& token(TokenId id) const;
  /// The same; null for an id outside.
  const std::string* find_token(TokenId id) const;

  /// One more than the largest id, added tokens included.
  std::int64_t vocab_size() const;

  bool is_added(TokenId id) const;
  bool is_special(TokenId id) const;
  /// All added tokens, by id.
  const std::unordered_map<TokenId, AddedToken>& added_tokens() const;

  /// The last added token that lies in `text` (raw, at a match of its own) as [begin, end), or
  /// nothing. White space that it swallows does not count.
  std::optional<std::pair<std::size_t, std::size_t>> last_added_token(std::string_view text) const;

 private:
  struct Parts;

  Tokenizer(const nlohmann::json& description, const std::vector<AddedToken>& more);

  void encode_ids(std::string_view text, bool continues, bool fresh, TokenIds& ids) const;

  static AddedToken read_token(const nlohmann::json& entry, const std::string& place);

  /// Adds a token that is not there yet, under the id that it gets.
  static void add_token(Parts& parts, AddedToken token);

  std::shared_ptr<const Parts> parts_;
};

}  // namespace posttrain::text

#ifndef POSTTRAIN_COMPILED
#include "posttrain/text/impl/tokenizer.ipp"
#endif
