// SPDX-License-Identifier: Apache-2.0
// The prompts of a generator as a tree: a prefix that several have in common stands there once,
// with one range of rows for its keys and values. It is the forest of training (batch/forest.hpp),
// grown as requests come.
//
// Below the root stand the regimes of positions: where rotary frequencies depend on a sequence's
// length (longrope, dynamic), only prompts of one regime have keys in common. A node is a run of
// tokens. Where a new prompt leaves a run in the middle, the node is cut in two, which moves
// nothing. Nodes that no request uses any more are idle: they stay while there is room for them,
// the latest used longest.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/generate/key_value_pool.hpp"

namespace posttrain::detail {

struct PrefixNode {
  PrefixNode* parent = nullptr;
  std::vector<std::unique_ptr<PrefixNode>> children{};
  TokenIds ids{};             // of its rows; empty for a prefix that has keys alone
  PoolRange rows{};           // where keys and values are
  std::int64_t regime = 0;    // of the rotary frequencies (models/rotations.hpp)
  std::int64_t position = 0;  // of its first token
  std::int64_t read = 0;      // how many of its rows are written
  int users = 0;              // requests whose prompt ends here, and samples that follow it
  std::uint64_t last_used = 0;
  Tensor end{};  // [1, d] hidden state of the last token, once it is read and wanted

  std::int64_t end_position() const { return position + rows.size; }
};

class PrefixTree {
 public:
  explicit PrefixTree(KeyValuePool& pool) : pool_(&pool), root_(std::make_unique<PrefixNode>()) {}

  PrefixNode& root() { return *root_; }

  /// The node at whose end a prompt ends, used once more; null where the pool has no room for what
  /// is new of it and `also` further rows (which are not taken).
  PrefixNode* insert(std::span<const TokenId> prompt, std::int64_t also, std::int64_t regime = 0);

  /// A range for a tail; idle nodes go where that makes room.
  std::optional<PoolRange> take(std::int64_t rows);

  /// Likewise, but what is found is a whole run of the same ids, or it is not shared: each of
  /// `runs` is a node, as training makes a segment of it.
  PrefixNode* insert_runs(std::span<const TokenIds> runs, std::int64_t also,
                          std::int64_t regime = 0);

  void use(PrefixNode& node) { node.users += 1; }
  /// Ends a use; `keep_rows` idle rows may stay.
  void release(PrefixNode& node, std::int64_t keep_rows);
  /// A finished sample's tail becomes a node behind its prompt: `ids` are those whose keys are
  /// there. Where another node begins alike, or without `keep_rows`, the rows are given back.
  void adopt(PrefixNode& parent, std::span<const TokenId> ids, PoolRange tail,
             std::int64_t keep_rows);

  /// Every node, parents first.
  template <class Visit>
  void each(const Visit& visit) {
    visit_below(*root_, visit);
  }

  /// Rows of nodes that nobody uses, nor anything behind them.
  std::int64_t idle_rows() const;
  /// Drops them.
  void drop_idle() { trim(0); }

 private:
  template <class Visit>
  void visit_below(PrefixNode& node, const Visit& visit) {
    visit(node);
    for (const auto& child : node.children) visit_below(*child, visit);
  }

  /// The node that ends after the longest common prefix, cut out if need be, and its length.
  PrefixNode& top_of(std::int64_t regime);
  /// A node behind `node` for ids whose keys are to be in `rows`.
  PrefixNode& add_child(PrefixNode& node, std::span<const TokenId> ids, PoolRange rows);
  std::pair<PrefixNode*, std::int64_t> match(std::span<const TokenId> prompt, std::int64_t regime);
  static PrefixNode* cut(PrefixNode& node, std::int64_t size);
  bool drop_oldest();
  void trim(std::int64_t keep_rows);

  KeyValuePool* pool_;
  std::unique_ptr<PrefixNode> root_;
  std::uint64_t clock_ = 0;
};

}  // namespace posttrain::detail

#ifndef POSTTRAIN_COMPILED
#include "posttrain/generate/impl/prefix_tree.ipp"
#endif
