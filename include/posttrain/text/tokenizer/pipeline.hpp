// SPDX-License-Identifier: Apache-2.0
// The parts of a tokenizer and the way of a text through them: added tokens → normalizer → added
// tokens in normalised text → pre-tokenizer → model.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/text/added_token.hpp"
#include "posttrain/text/tokenizer/added_tokens.hpp"
#include "posttrain/text/tokenizer/aligned_text.hpp"
#include "posttrain/text/tokenizer/decoder.hpp"
#include "posttrain/text/tokenizer/limits.hpp"
#include "posttrain/text/tokenizer/model.hpp"
#include "posttrain/text/tokenizer/normalizer.hpp"
#include "posttrain/text/tokenizer/post_processor.hpp"
#include "posttrain/text/tokenizer/pre_tokenizer.hpp"
#include "posttrain/text/tokenizer/tokens.hpp"
#include "posttrain/text/tokenizer/word_cache.hpp"

namespace posttrain::text {

struct TokenPipeline {
  explicit TokenPipeline(const nlohmann::json& model_description) : model(model_description) {}

  TokenModel model;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  TokenDecoder decoder;
  PostProcessor post_processor;
  AddedTokenMatcher raw_matcher, normalized_matcher;
  std::unordered_map<TokenId, AddedToken> added;
  std::unordered_map<std::string, TokenId> added_ids;
  // The package decodes an added token that is looked for in normalised text as normalised.
  std::unordered_map<TokenId, std::string> normalized_contents;
  std::int64_t size = 0;           // one more than the largest id
  std::int64_t free_id = 0;        // of the next added token that the vocabulary lacks
  const Bpe* raw_bytes = nullptr;  // takes bytes: the pre-tokenizer leaves its last step to it
  mutable CachePool caches;

  using Place = PreTokenizer::Place;

  /// One text on its way: where its tokens go, and whether with their place in the source.
  struct Job {
    TokenIds& ids;
    std::vector<ByteRange>* offsets = nullptr;
    WordCache* cache = nullptr;

    void push(TokenId id, ByteRange range) const {
      ids.push_back(id);
      if (offsets != nullptr) offsets->push_back(range);
    }
  };

  /// Appends the tokens of `text` (valid UTF-8).
  void encode_into(std::string_view text, Place place, const Job& job) const {
    for_sections(raw_matcher, text, place, [&](const Section& section, Place where) {
      const std::string_view raw = text.substr(section.begin, section.end - section.begin);
      if (section.id >= 0) {
        job.push(section.id, {section.begin, section.end});
      } else if (!tracks(job) && normalizer.leaves(raw)) {
        Piece piece;
        piece.text = raw;
        piece.most = largest_rewriting(raw.size());
        encode_normalized(piece, where, job);
      } else {
        const AlignedText normalized =
            normalizer(AlignedText(raw, section.begin, tracks(job)), where.fresh);
        encode_normalized(normalized, where, job);
      }
    });
  }

 private:
  bool tracks(const Job& job) const {
    return job.offsets != nullptr || pre_tokenizer.needs_source();
  }

  void encode_normalized(const Piece& piece, Place place, const Job& job) const {
    for_sections(normalized_matcher, piece.text, place, [&](const Section& section, Place where) {
      if (section.id >= 0) {
        job.push(section.id, piece.source == nullptr ? ByteRange{}
                                                     : piece.source_of(section.begin, section.end));
      } else {
        encode_section(piece.part(section.begin, section.end), where, job);
      }
    });
  }

  /// Calls `visit(section, place)` for the added tokens of a text and what lies between them.
  template <class Visit>
  static void for_sections(const AddedTokenMatcher& matcher, std::string_view text, Place place,
                           Visit&& visit) {
    if (text.empty()) return;
    if (matcher.empty()) return visit(Section{0, text.size(), -1}, place);
    for (const Section& section : matcher.split(text)) {
      visit(section, place);
      place = {true, true};
    }
  }

  void encode_section(const Piece& section, Place place, const Job& job) const {
    if (section.text.empty()) return;
    const auto& scanner = pre_tokenizer.scanner();
    if (raw_bytes != nullptr && scanner && section.source == nullptr) {
      for (std::size_t at = 0; at < section.text.size();) {
        const std::size_t end = scanner->next(section.text, at);
        encode_cached(section.text.substr(at, end - at), job);
        at = end;
      }
      return;
    }
    Words words;
    words.pieces.push_back(section);
    pre_tokenizer(words, place, raw_bytes != nullptr);
    for (const Piece& word : words.pieces) {
      if (job.offsets == nullptr) {
        encode_cached(word.text, job);
        continue;
      }
      std::vector<ByteRange> ranges;
      encode_word(word.text, {&job.ids, &ranges});
      for (const ByteRange& range : ranges) {
        job.offsets->push_back(word.source_of(range.begin, range.end));
      }
    }
  }

  void encode_cached(std::string_view word, const Job& job) const {
    job.cache->get(word, job.ids, [&](std::string_view fresh, TokenIds& out) {
      encode_word(fresh, {&out, nullptr});
    });
  }

  void encode_word(std::string_view word, const Tokens& out) const {
    if (raw_bytes != nullptr) {
      raw_bytes->encode_bytes(word, out);
    } else {
      model.encode(word, out);
    }
  }
};

}  // namespace posttrain::text
