// SPDX-License-Identifier: Apache-2.0
// The model "BPE" of tokenizer.json: a word is split into characters, and neighbours are merged in
// the order of the merges' ranks.
//
// A heap of candidate merges makes a word of n characters cost O(n log n), also when it is one
// megabyte of the same letter. Stale candidates are skipped as in the `tokenizers` package, so that
// ties fall the same way. Characters outside the vocabulary become their bytes (`byte_fallback`) or
// the unknown token, neighbouring ones joined (`fuse_unk`).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "posttrain/core/error.hpp"
#include "posttrain/core/sequence.hpp"
#include "posttrain/text/tokenizer_byte_level.hpp"
#include "posttrain/text/utf8.hpp"

namespace posttrain::text {

/// Open addressing from a pair of ids to (rank, merged id).
class MergeTable {
 public:
  struct Merge {
    std::int32_t rank = 0;
    TokenId id = 0;
  };

  void reserve(std::size_t count) {
    std::size_t capacity = 16;
    while (capacity < 2 * count) capacity *= 2;
    slots_.assign(capacity, Slot{});
  }

  void insert(TokenId left, TokenId right, Merge merge) {  // the last of equal keys stays
    Slot& slot = slots_[place(key(left, right))];
    slot.key = key(left, right);
    slot.merge = merge;
  }

  const Merge* find(TokenId left, TokenId right) const {
    if (slots_.empty()) return nullptr;
    const Slot& slot = slots_[place(key(left, right))];
    return slot.key == kEmpty ? nullptr : &slot.merge;
  }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kEmpty;
    Merge merge;
  };

  static std::uint64_t key(TokenId left, TokenId right) {
    return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32U) |
           static_cast<std::uint32_t>(right);
  }
  std::size_t place(std::uint64_t k) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = static_cast<std::size_t>((k * 0x9E3779B97F4A7C15ULL) >> 20U) & mask;
    while (slots_[at].key != kEmpty && slots_[at].key != k) at = (at + 1) & mask;
    return at;
  }

  std::vector<Slot> slots_;
};

class Bpe {
 public:
  /// Reads the "model" object of tokenizer.json. Ids must be unique and not negative.
  explicit Bpe(const nlohmann::json& model) {
    const auto text_of = [&](const char* name) {
      const auto found = model.find(name);
      return found != model.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    const auto flag = [&](const char* name) {
      const auto found = model.find(name);
      return found != model.end() && found->is_boolean() && found->get<bool>();
    };
    read_vocabulary(model);
    prefix_ = text_of("continuing_subword_prefix");
    suffix_ = text_of("end_of_word_suffix");
    fuse_unk_ = flag("fuse_unk");
    byte_fallback_ = flag("byte_fallback");
    ignore_merges_ = flag("ignore_merges");
    if (const std::string unk = text_of("unk_token"); !unk.empty()) {
      unk_ = id(unk);
      if (!unk_) raise("tokenizer.json: the unknown token '{}' is not in the vocabulary", unk);
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
  Bpe(const Bpe&) = delete;
  Bpe& operator=(const Bpe&) = delete;

  std::optional<TokenId> id(std::string_view token) const {
    const auto found = ids_.find(token);
    if (found == ids_.end()) return std::nullopt;
    return found->second;
  }
  /// The token of an id, or nothing outside the vocabulary.
  const std::string* token(TokenId id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= tokens_.size()) return nullptr;
    return known_[static_cast<std::size_t>(id)] ? &tokens_[static_cast<std::size_t>(id)] : nullptr;
  }
  /// One more than the largest id.
  std::int64_t size() const { return static_cast<std::int64_t>(tokens_.size()); }
  /// Whether `encode_bytes` is offered: every byte of the byte-level alphabet has an id.
  bool complete_bytes() const { return complete_bytes_; }

  /// Encodes one pre-token given as characters.
  void encode(std::string_view word, TokenIds& out) const {
    if (word.empty()) return;
    if (ignore_merges_) {
      if (const auto whole = id(word)) {
        out.push_back(*whole);
        return;
      }
    }
    std::vector<Symbol> symbols;
    symbols.reserve(word.size());
    bool pending_unk = false;
    const auto add = [&](TokenId token) {
      symbols.push_back({token, static_cast<std::int32_t>(symbols.size()) - 1,
                         static_cast<std::int32_t>(symbols.size()) + 1, true});
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
        pending_unk = false;
        add(*known);
        continue;
      }
      if (byte_fallback_ && has_bytes(character)) {
        for (const char b : character) add(fallback_ids_[static_cast<unsigned char>(b)]);
        pending_unk = false;
        continue;
      }
      if (unk_) {
        if (!(pending_unk && fuse_unk_)) add(*unk_);
        pending_unk = true;
      }
    }
    merge(symbols, out);
  }

  /// Encodes one pre-token given as raw bytes of a byte-level vocabulary.
  void encode_bytes(std::string_view word, TokenIds& out) const {
    if (word.empty()) return;
    if (word.size() == 1) {
      out.push_back(byte_ids_[static_cast<unsigned char>(word[0])]);
      return;
    }
    if (ignore_merges_) {
      if (const auto whole = id(ByteAlphabet::get().encode(word))) {
        out.push_back(*whole);
        return;
      }
    }
    std::vector<Symbol> symbols(word.size());
    for (std::size_t i = 0; i < word.size(); ++i) {
      symbols[i] = {byte_ids_[static_cast<unsigned char>(word[i])],
                    static_cast<std::int32_t>(i) - 1, static_cast<std::int32_t>(i) + 1, true};
    }
    merge(symbols, out);
  }

 private:
  struct Symbol {
    TokenId id;
    std::int32_t previous, next;
    bool alive;
  };
  struct Candidate {
    std::int32_t rank;
    std::int32_t position;
    TokenId id;
    bool operator<(const Candidate& other) const {  // a max-heap: the smallest rank on top
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };

  void merge(std::vector<Symbol>& symbols, TokenIds& out) const {
    const auto count = static_cast<std::int32_t>(symbols.size());
    if (count == 0) return;
    symbols.back().next = -1;
    const auto at = [&](std::int32_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };
    std::vector<Candidate> heap;
    heap.reserve(symbols.size());
    for (std::int32_t i = 0; i + 1 < count; ++i) {
      if (const auto* m = merges_.find(at(i).id, at(i + 1).id)) heap.push_back({m->rank, i, m->id});
    }
    std::make_heap(heap.begin(), heap.end());
    const auto push = [&](std::int32_t left, std::int32_t right) {
      if (const auto* m = merges_.find(at(left).id, at(right).id)) {
        heap.push_back({m->rank, left, m->id});
        std::push_heap(heap.begin(), heap.end());
      }
    };
    while (!heap.empty()) {
      std::pop_heap(heap.begin(), heap.end());
      const Candidate top = heap.back();
      heap.pop_back();
      Symbol& left = at(top.position);
      if (!left.alive || left.next < 0) continue;
      Symbol& right = at(left.next);
      const auto* m = merges_.find(left.id, right.id);
      if (m == nullptr || m->id != top.id) continue;  // stale
      left.id = top.id;
      right.alive = false;
      left.next = right.next;
      if (left.next >= 0) at(left.next).previous = top.position;
      if (left.previous >= 0) push(left.previous, top.position);
      if (left.next >= 0) push(top.position, left.next);
    }
    for (std::int32_t i = 0; i >= 0; i = at(i).next) out.push_back(at(i).id);
  }

  bool has_bytes(std::string_view character) const {
    return std::all_of(character.begin(), character.end(),
                       [&](char b) { return fallback_ids_[static_cast<unsigned char>(b)] >= 0; });
  }

  void read_vocabulary(const nlohmann::json& model) {
    const auto vocab = model.find("vocab");
    if (vocab == model.end() || !vocab->is_object()) {
      fail("tokenizer.json: expected an object under model.vocab");
    }
    // An id may lie beyond the count (gaps), but a huge one would ask for the memory of a table.
    const auto limit = static_cast<std::int64_t>(4 * vocab->size() + 1000000);
    for (const auto& [token, value] : vocab->items()) {
      const std::int64_t id = value.is_number_integer() ? value.get<std::int64_t>() : -1;
      if (id < 0 || id > limit) {
        raise("tokenizer.json: expected an id between 0 and {} for '{}', got {}", limit, token,
              value.dump());
      }
      const auto i = static_cast<std::size_t>(id);
      if (i >= tokens_.size()) {
        tokens_.resize(i + 1);
        known_.resize(i + 1, false);
      }
      if (known_[i]) raise("tokenizer.json: id {} stands for '{}' and '{}'", id, tokens_[i], token);
      tokens_[i] = token;
      known_[i] = true;
    }
    ids_.reserve(tokens_.size());
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (known_[i]) ids_.emplace(tokens_[i], static_cast<TokenId>(i));
    }
  }

  void read_merges(const nlohmann::json& model) {
    const auto merges = model.find("merges");
    if (merges == model.end() || !merges->is_array()) {
      fail("tokenizer.json: expected an array under model.merges");
    }
    merges_.reserve(merges->size());
    std::string joined;
    std::int32_t rank = 0;
    for (const auto& entry : *merges) {
      std::string_view left;
      std::string_view right;
      if (entry.is_string()) {
        const auto& text = entry.get_ref<const std::string&>();
        const std::size_t space = text.find(' ');
        if (space == std::string::npos) raise("tokenizer.json: merge {} has no space", rank);
        left = std::string_view(text).substr(0, space);
        right = std::string_view(text).substr(space + 1);
      } else if (entry.is_array() && entry.size() == 2 && entry[0].is_string() &&
                 entry[1].is_string()) {
        left = entry[0].get_ref<const std::string&>();
        right = entry[1].get_ref<const std::string&>();
      } else {
        raise("tokenizer.json: expected merge {} as \"a b\" or [\"a\", \"b\"], got {}", rank,
              entry.dump());
      }
      joined.assign(left);
      joined += right.size() >= prefix_.size() ? right.substr(prefix_.size()) : right;
      const auto a = id(left);
      const auto b = id(right);
      const auto c = id(joined);
      if (!a || !b || !c) {
        raise("tokenizer.json: merge {} ('{}' + '{}') uses a token outside the vocabulary", rank,
              left, right);
      }
      merges_.insert(*a, *b, {rank, *c});
      ++rank;
    }
  }

  std::vector<std::string> tokens_;
  std::vector<bool> known_;
  std::unordered_map<std::string_view, TokenId> ids_;  // views into tokens_
  MergeTable merges_;
  std::string prefix_, suffix_;
  std::optional<TokenId> unk_;
  bool fuse_unk_ = false, byte_fallback_ = false, ignore_merges_ = false, complete_bytes_ = false;
  std::array<TokenId, 256> byte_ids_{};
  std::array<TokenId, 256> fallback_ids_{};
};

}  // namespace posttrain::text
