// SPDX-License-Identifier: Apache-2.0
// The merges of a BPE model, and how they are applied to the symbols of a word.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/text/tokenizer/tokens.hpp"

namespace posttrain::text {

/// Open addressing from a pair of ids to (rank, merged id).
class MergeTable {
 public:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  struct Merge {
    std::uint32_t rank = kNone;
    TokenId id = -1;
  };

  void reserve(std::size_t count) {
    std::size_t capacity = 16;
    while (capacity < 2 * count) capacity *= 2;
    slots_.assign(capacity, Slot{});
  }

  void insert(TokenId left, TokenId right, Merge merge) {  // the last of equal keys stays
    slots_[place(key(left, right))] = {key(left, right), merge};
  }

  /// The merge of a pair; its rank is kNone if there is none.
  Merge find(TokenId left, TokenId right) const {
    return slots_.empty() ? Merge{} : slots_[place(key(left, right))].merge;
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
    const std::uint64_t mixed = (k ^ k >> 29U) * 0x9E3779B97F4A7C15ULL;
    std::size_t at = static_cast<std::size_t>(mixed >> 32U) & mask;
    while (slots_[at].key != kEmpty && slots_[at].key != k) at = (at + 1) & mask;
    return at;
  }

  std::vector<Slot> slots_;
};

/// A symbol of a word: its token, and where in the word it starts.
struct Symbol {
  TokenId id = 0;
  std::uint32_t begin = 0;
};

/// Merges neighbours, the smallest rank first and of equal ones the leftmost. For short words: the
/// ranks of all pairs stand in one array, which is searched anew for each merge.
inline void merge_short(const MergeTable& table, std::span<Symbol> symbols, std::size_t size,
                        const Tokens& out) {
  constexpr std::uint32_t kNone = MergeTable::kNone;
  std::array<std::uint32_t, 128> ranks;  // NOLINT: filled below
  std::array<TokenId, 128> merged;       // NOLINT
  std::size_t count = symbols.size();
  const auto look = [&](std::size_t i) {
    const auto merge = table.find(symbols[i].id, symbols[i + 1].id);
    ranks[i] = merge.rank;
    merged[i] = merge.id;
  };
  for (std::size_t i = 0; i + 1 < count; ++i) look(i);
  while (count > 1) {
    std::uint32_t best = kNone;
    for (std::size_t i = 0; i + 1 < count; ++i) best = std::min(best, ranks[i]);
    if (best == kNone) break;
    std::size_t at = 0;
    while (ranks[at] != best) ++at;
    symbols[at].id = merged[at];
    --count;
    for (std::size_t i = at + 1; i < count; ++i) symbols[i] = symbols[i + 1];
    for (std::size_t i = at + 1; i + 1 < count; ++i) {
      ranks[i] = ranks[i + 1];
      merged[i] = merged[i + 1];
    }
    if (at > 0) look(at - 1);
    if (at + 1 < count) look(at);
  }
  for (std::size_t i = 0; i < count; ++i) {
    out.push(symbols[i].id, symbols[i].begin, i + 1 < count ? symbols[i + 1].begin : size);
  }
}

/// Merges words of any length: a heap of candidates makes n symbols cost O(n log n). A stale
/// candidate is skipped.
inline void merge_long(const MergeTable& table, std::span<const Symbol> symbols, std::size_t size,
                       const Tokens& out) {
  struct Node {
    TokenId id;  // −1: merged into the one before
    std::int32_t previous, next;
  };
  struct Candidate {
    std::uint32_t rank;
    std::int32_t position;
    TokenId id;
    bool operator<(const Candidate& other) const {  // a max-heap: the smallest rank on top
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };
  std::vector<Node> nodes(symbols.size());
  const auto at = [&](std::int32_t i) -> Node& { return nodes[static_cast<std::size_t>(i)]; };
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto n = static_cast<std::int32_t>(i);
    nodes[i] = {symbols[i].id, n - 1, i + 1 < nodes.size() ? n + 1 : -1};
  }
  std::vector<Candidate> heap;
  heap.reserve(nodes.size());
  const auto candidate = [&](std::int32_t left) {
    const auto merge = table.find(at(left).id, at(at(left).next).id);
    if (merge.rank == MergeTable::kNone) return false;
    heap.push_back({merge.rank, left, merge.id});
    return true;
  };
  for (std::int32_t i = 0; at(i).next >= 0; ++i) candidate(i);
  std::make_heap(heap.begin(), heap.end());
  const auto push = [&](std::int32_t left) {
    if (candidate(left)) std::push_heap(heap.begin(), heap.end());
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Candidate top = heap.back();
    heap.pop_back();
    Node& left = at(top.position);
    if (left.id < 0 || left.next < 0) continue;
    Node& right = at(left.next);
    if (table.find(left.id, right.id).id != top.id) continue;  // stale
    left.id = top.id;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0) at(left.next).previous = top.position;
    if (left.previous >= 0) push(left.previous);
    if (left.next >= 0) push(top.position);
  }
  for (std::int32_t i = 0; i >= 0; i = at(i).next) {
    const std::int32_t next = at(i).next;
    out.push(at(i).id, symbols[static_cast<std::size_t>(i)].begin,
             next < 0 ? size : symbols[static_cast<std::size_t>(next)].begin);
  }
}

inline void merge_symbols(const MergeTable& table, std::span<Symbol> symbols, std::size_t size,
                          const Tokens& out) {
  if (symbols.empty()) return;
  if (symbols.size() <= 100) {
    merge_short(table, symbols, size, out);
  } else {
    merge_long(table, symbols, size, out);
  }
}

}  // namespace posttrain::text
