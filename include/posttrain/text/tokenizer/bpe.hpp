// SPDX-License-Identifier: Apache-2.0
// The model "BPE" of tokenizer.json: a word is split into characters, and neighbours are merged in
// the order of the merges' ranks.
//
// Characters outside the vocabulary become their bytes (`byte_fallback`) or the unknown token,
// neighbouring ones joined (`fuse_unk`). Without an unknown token they vanish.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/text/tokenizer/byte_alphabet.hpp"
#include "posttrain/text/tokenizer/fields.hpp"
#include "posttrain/text/tokenizer/merge_table.hpp"
#include "posttrain/text/tokenizer/tokens.hpp"
#include "posttrain/text/tokenizer/vocabulary.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

class Bpe {
 public:
  /// Reads the "model" object of tokenizer.json.
  explicit Bpe(const nlohmann::json& model) : vocabulary_(model) {
    const Fields fields(model, "model");
    prefix_ = fields.text("continuing_subword_prefix", "");
    suffix_ = fields.text("end_of_word_suffix", "");
    fuse_unk_ = fields.flag("fuse_unk", false);
    byte_fallback_ = fields.flag("byte_fallback", false);
    ignore_merges_ = fields.flag("ignore_merges", false);
    if (const double dropout = io::number_under(model, "dropout", 0.0, fields.where());
        dropout != 0.0) {
      raise("{}: BPE with dropout {} is not supported", fields.where(), dropout);
    }
    if (const std::string unk = fields.text("unk_token", ""); !unk.empty()) {
      unk_ = id(unk);
      if (!unk_) {
        raise("{}: unk_token: the unknown token '{}' is not in the vocabulary", fields.where(),
              unk);
      }
    }
    read_merges(model);
    const ByteAlphabet& alphabet = ByteAlphabet::get();
    complete_bytes_ = prefix_.empty() && suffix_.empty();
    for (int b = 0; b < 256; ++b) {
      const auto i = static_cast<std::size_t>(b);
      const auto mapped = id(alphabet.character(static_cast<unsigned char>(b)));
      if (!mapped) complete_bytes_ = false;
      byte_ids_[i] = mapped.value_or(-1);
      fallback_ids_[i] = id(fmt::format("<0x{:02X}>", b)).value_or(-1);
    }
  }

  std::optional<TokenId> id(std::string_view token) const { return vocabulary_.id(token); }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  /// Whether `encode_bytes` is offered: every byte of the byte-level alphabet has an id.
  bool complete_bytes() const { return complete_bytes_; }

  /// Encodes one pre-token given as characters.
  void encode(std::string_view word, const Tokens& out) const {
    if (word.empty()) return;
    if (ignore_merges_) {
      if (const auto whole = id(word)) return out.push(*whole, 0, word.size());
    }
    std::vector<Symbol> symbols;
    symbols.reserve(word.size());
    // Places are sums of lengths, as in `tokenizers`: what vanishes has none.
    std::size_t place = 0;
    const auto add = [&](TokenId token, std::size_t length) {
      symbols.push_back({token, static_cast<std::uint32_t>(place)});
      place += length;
    };
    std::size_t unknown = 0;  // bytes of an unknown token that is not added yet
    const auto flush = [&] {
      if (unknown > 0) add(*unk_, unknown);
      unknown = 0;
    };
    std::string decorated;
    for (std::size_t i = 0; i < word.size();) {
      const std::size_t size = decode_utf8(word, i).size;
      std::string_view character = word.substr(i, size);
      const bool first = i == 0;
      i += size;
      if ((!first && !prefix_.empty()) || (i >= word.size() && !suffix_.empty())) {
        decorated = first ? std::string() : prefix_;
        decorated += character;
        if (i >= word.size()) decorated += suffix_;
        character = decorated;
      }
      if (const auto known = id(character)) {
        flush();
        add(*known, size);
      } else if (byte_fallback_ && has_bytes(character)) {
        // An unknown token before it stays open: the package puts it behind these bytes.
        for (const char b : character) add(fallback_ids_[static_cast<unsigned char>(b)], 1);
      } else if (unk_) {
        if (!fuse_unk_) flush();
        unknown += size;
      }
    }
    flush();
    merge_symbols(merges_, symbols, place, out);
  }

  /// Encodes one pre-token given as raw bytes of a byte-level vocabulary.
  void encode_bytes(std::string_view word, const Tokens& out) const {
    if (word.empty()) return;
    if (word.size() == 1) return out.push(byte_ids_[static_cast<unsigned char>(word[0])], 0, 1);
    if (ignore_merges_) {
      if (const auto whole = id(ByteAlphabet::get().encode(word))) {
        return out.push(*whole, 0, word.size());
      }
    }
    std::array<Symbol, 128> few;  // NOLINT: filled below
    std::vector<Symbol> many;
    if (word.size() > few.size()) many.resize(word.size());
    const std::span<Symbol> symbols =
        many.empty() ? std::span<Symbol>(few.data(), word.size()) : std::span<Symbol>(many);
    for (std::size_t i = 0; i < word.size(); ++i) {
      symbols[i] = {byte_ids_[static_cast<unsigned char>(word[i])], static_cast<std::uint32_t>(i)};
    }
    merge_symbols(merges_, symbols, word.size(), out);
  }

 private:
  bool has_bytes(std::string_view character) const {
    return std::all_of(character.begin(), character.end(),
                       [&](char b) { return fallback_ids_[static_cast<unsigned char>(b)] >= 0; });
  }

  void read_merges(const nlohmann::json& model) {
    const auto merges = model.find("merges");
    if (merges == model.end() || !merges->is_array()) {
      fail("tokenizer.json: expected an array under model.merges");
    }
    merges_.reserve(merges->size());
    std::string joined;
    std::uint32_t rank = 0;
    for (const auto& entry : *merges) {
      std::string_view left;
      std::string_view right;
      if (entry.is_string()) {
        const auto& text = entry.get_ref<const std::string&>();
        const std::size_t space = text.find(' ');
        if (space == std::string::npos) {
          raise("tokenizer.json: expected model.merges[{}] to hold a space, got {}", rank,
                io::shown(entry));
        }
        left = std::string_view(text).substr(0, space);
        right = std::string_view(text).substr(space + 1);
      } else if (entry.is_array() && entry.size() == 2 && entry[0].is_string() &&
                 entry[1].is_string()) {
        left = entry[0].get_ref<const std::string&>();
        right = entry[1].get_ref<const std::string&>();
      } else {
        raise("tokenizer.json: expected model.merges[{}] as \"a b\" or [\"a\", \"b\"], got {}",
              rank, io::shown(entry));
      }
      joined.assign(left);
      joined += right.size() >= prefix_.size() ? right.substr(prefix_.size()) : right;
      const auto a = id(left);
      const auto b = id(right);
      const auto c = id(joined);
      if (!a || !b || !c) {
        raise("tokenizer.json: model.merges[{}] ('{}' + '{}') uses a token outside the vocabulary",
              rank, left, right);
      }
      merges_.insert(*a, *b, {rank, *c});
      ++rank;
    }
  }

  Vocabulary vocabulary_;
  MergeTable merges_;
  std::string prefix_, suffix_;
  std::optional<TokenId> unk_;
  bool fuse_unk_ = false, byte_fallback_ = false, ignore_merges_ = false, complete_bytes_ = false;
  std::array<TokenId, 256> byte_ids_{};
  std::array<TokenId, 256> fallback_ids_{};
};

}  // namespace posttrain::text
