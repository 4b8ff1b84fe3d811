// SPDX-License-Identifier: Apache-2.0
// The model "Unigram" of tokenizer.json (SentencePiece): the segmentation of a word whose pieces
// have the largest sum of scores, found by dynamic programming over its bytes.
//
// A character that is no piece costs 10 more than the worst piece; neighbouring ones are joined and
// become their bytes (`byte_fallback`) or the unknown token.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/text/tokenizer/tokens.hpp"
#include "posttrain/text/tokenizer/vocabulary.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

class Unigram {
 public:
  explicit Unigram(const nlohmann::json& model) {
    const auto vocab = model.find("vocab");
    if (vocab == model.end() || !vocab->is_array()) {
      fail("tokenizer.json: expected an array of [token, score] under model.vocab");
    }
    std::vector<std::string> tokens;
    double worst = std::numeric_limits<double>::infinity();
    for (const auto& entry : *vocab) {
      if (!entry.is_array() || entry.size() != 2) {
        raise("tokenizer.json: expected model.vocab[{}] to be [token, score], got {}",
              tokens.size(), io::shown(entry));
      }
      const std::string name = fmt::format("vocab[{}]", tokens.size());
      tokens.push_back(io::text_from(entry[0], "tokenizer.json: model", name + "[0]"));
      scores_.push_back(io::number_from(entry[1], "tokenizer.json: model", name + "[1]"));
      worst = std::min(worst, scores_.back());
    }
    unknown_score_ = worst - 10.0;
    vocabulary_ = Vocabulary(std::move(tokens));
    if (const auto unk = model.find("unk_id"); unk != model.end() && !unk->is_null()) {
      unk_ = io::token_id_from(*unk, "tokenizer.json: model", "unk_id");
      if (vocabulary_.token(*unk_) == nullptr) {
        raise("tokenizer.json: model: expected unk_id in the vocabulary of {} tokens, got {}",
              vocabulary_.size(), *unk_);
      }
    }
    for (int b = 0; b < 256; ++b) {
      bytes_[static_cast<std::size_t>(b)] =
          vocabulary_.id(fmt::format("<0x{:02X}>", b)).value_or(-1);
    }
    if (!io::bool_under(model, "byte_fallback", false, "tokenizer.json: model")) bytes_.fill(-1);
    build_trie();
  }

  const Vocabulary& vocabulary() const { return vocabulary_; }

  void encode(std::string_view word, const Tokens& out) const {
    if (word.empty()) return;
    struct Best {
      double score = 0;
      std::size_t begin = 0;
      TokenId id = -1;
      bool reached = false;
    };
    std::vector<Best> best(word.size() + 1);
    for (std::size_t begin = 0; begin < word.size();) {
      const double before = best[begin].score;
      const std::size_t size = decode_utf8(word, begin).size;
      bool single = false;
      const auto offer = [&](std::size_t end, double score, TokenId id) {
        Best& target = best[end];
        if (!target.reached || before + score > target.score) {
          target = {before + score, begin, id, true};
        }
      };
      std::uint32_t node = 0;
      for (std::size_t end = begin; end < word.size();) {
        node = step(node, static_cast<unsigned char>(word[end]));
        if (node == 0) break;
        ++end;
        if (const TokenId id = ids_[node]; id >= 0) {
          offer(end, scores_[static_cast<std::size_t>(id)], id);
          single |= end - begin == size;
        }
      }
      if (!single) {
        if (!unk_) fail("a character outside the vocabulary, and the tokenizer has no unk_id");
        offer(begin + size, unknown_score_, *unk_);
      }
      begin += size;
    }
    std::vector<ByteRange> path;  // from the end
    bool joins = false;
    for (std::size_t end = word.size(); end > 0; end = best[end].begin) {
      const bool unknown = unk_ && best[end].id == *unk_;
      if (unknown && joins) {
        path.back().begin = best[end].begin;
      } else {
        path.push_back({best[end].begin, end});
      }
      joins = unknown;
    }
    for (std::size_t i = path.size(); i-- > 0;) push(word, path[i], out);
  }

 private:
  void push(std::string_view word, ByteRange range, const Tokens& out) const {
    const std::string_view piece = word.substr(range.begin, range.end - range.begin);
    if (const auto id = vocabulary_.id(piece)) return out.push(*id, range.begin, range.end);
    const auto byte_id = [&](char b) { return bytes_[static_cast<unsigned char>(b)]; };
    if (std::all_of(piece.begin(), piece.end(), [&](char b) { return byte_id(b) >= 0; })) {
      for (const char b : piece) out.push(byte_id(b), range.begin, range.end);
      return;
    }
    out.push(*unk_, range.begin, range.end);
  }

  /// The trie is a hash table from (node, byte) to node; node 0 is the root.
  void build_trie() {
    std::size_t bytes = 0;
    for (std::int64_t i = 0; i < vocabulary_.size(); ++i) {
      bytes += vocabulary_.token(static_cast<TokenId>(i))->size();
    }
    std::size_t capacity = 16;
    while (capacity < bytes + bytes / 2) capacity *= 2;
    edges_.assign(capacity, Edge{});
    ids_.assign(1, -1);
    for (std::int64_t i = 0; i < vocabulary_.size(); ++i) {
      std::uint32_t node = 0;
      for (const char c : *vocabulary_.token(static_cast<TokenId>(i))) {
        const std::uint64_t key = edge_key(node, static_cast<unsigned char>(c));
        Edge& edge = edges_[place(key)];
        if (edge.key == kNoEdge) {
          edge = {key, static_cast<std::uint32_t>(ids_.size())};
          ids_.push_back(-1);
        }
        node = edge.target;
      }
      ids_[node] = static_cast<TokenId>(i);  // of equal ones the last
    }
    ids_[0] = -1;
  }

  static constexpr std::uint64_t kNoEdge = ~std::uint64_t{0};
  struct Edge {
    std::uint64_t key = kNoEdge;
    std::uint32_t target = 0;
  };
  static std::uint64_t edge_key(std::uint32_t node, unsigned char byte) {
    return static_cast<std::uint64_t>(node) << 8U | byte;
  }
  std::size_t place(std::uint64_t key) const {
    const std::size_t mask = edges_.size() - 1;
    std::size_t at = static_cast<std::size_t>((key * 0x9E3779B97F4A7C15ULL) >> 32U) & mask;
    while (edges_[at].key != kNoEdge && edges_[at].key != key) at = (at + 1) & mask;
    return at;
  }
  std::uint32_t step(std::uint32_t node, unsigned char byte) const {
    return edges_[place(edge_key(node, byte))].target;  // 0 if there is none
  }

  Vocabulary vocabulary_;
  std::vector<double> scores_;
  double unknown_score_ = 0;
  std::optional<TokenId> unk_;
  std::array<TokenId, 256> bytes_{};
  std::vector<Edge> edges_;
  std::vector<TokenId> ids_;
};

}  // namespace posttrain::text
