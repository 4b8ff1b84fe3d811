// SPDX-License-Identifier: Apache-2.0
// The blocks of queries and keys of an attention call, and which pairs of them meet.
//
// Blocks have at most 64 rows and never cross the border of a part's queries, so that a part covers
// a block of queries wholly or not at all. Within a pair ("tile") each query sees one interval of
// the keys. Pairs outside of the causal or the windowed region do not appear.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "posttrain/batch/forest.hpp"

namespace posttrain::detail {

inline constexpr std::int64_t kAttentionBlock = 64;

struct BlockRange {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
};

/// A block of the other side, the part through which it is seen, whether without any mask.
struct AttentionTile {
  std::int64_t block = 0;
  std::int64_t part = 0;
  bool full = false;
};

/// Blocks that see only each other.
struct AttentionComponent {
  std::vector<std::int64_t> q_blocks, k_blocks;
};

struct AttentionPlan {
  std::vector<BlockRange> q_blocks, k_blocks;
  std::vector<std::vector<AttentionTile>> by_query;  // per block of queries: blocks of keys
  std::vector<std::vector<AttentionTile>> by_key;    // per block of keys: blocks of queries
  std::vector<AttentionComponent> components;
};

/// Keys [begin, end) that row `query` sees through a part.
inline BlockRange visible_keys(const AttentionPart& part, std::int64_t window, std::int64_t query) {
  // The row of the key at the query's own position.
  const std::int64_t own = part.k0 + part.qpos + (query - part.q0) - part.kpos;
  const std::int64_t end = part.causal ? std::min(part.k1, own + 1) : part.k1;
  return {window > 0 ? std::max(part.k0, own - window + 1) : part.k0, end};
}

/// Queries [begin, end) of a part that see row `key`.
inline BlockRange visible_queries(const AttentionPart& part, std::int64_t window,
                                  std::int64_t key) {
  if (key < part.k0 || key >= part.k1) return {0, 0};
  const std::int64_t own = part.q0 + part.kpos + (key - part.k0) - part.qpos;
  return {part.causal ? std::max(part.q0, own) : part.q0,
          window > 0 ? std::min(part.q1, own + window) : part.q1};
}

// Ranges between the given borders, cut into blocks, where `used` says so.
inline std::vector<BlockRange> cut_blocks(std::vector<std::int64_t> borders,
                                          const std::vector<BlockRange>& used) {
  std::sort(borders.begin(), borders.end());
  borders.erase(std::unique(borders.begin(), borders.end()), borders.end());
  // The union of the used ranges as sorted disjoint ranges.
  std::vector<BlockRange> sorted = used, merged;
  std::sort(sorted.begin(), sorted.end(),
            [](const BlockRange& a, const BlockRange& b) { return a.begin < b.begin; });
  for (const BlockRange& range : sorted) {
    if (!merged.empty() && range.begin <= merged.back().end) {
      merged.back().end = std::max(merged.back().end, range.end);
    } else {
      merged.push_back(range);
    }
  }
  std::vector<BlockRange> blocks;
  for (const BlockRange& range : merged) {
    std::int64_t begin = range.begin;
    auto border = std::upper_bound(borders.begin(), borders.end(), begin);
    while (begin < range.end) {
      const std::int64_t stop =
          border == borders.end() ? range.end : std::min(*border++, range.end);
      for (; begin < stop; begin = std::min(begin + kAttentionBlock, stop)) {
        blocks.push_back({begin, std::min(begin + kAttentionBlock, stop)});
      }
    }
  }
  return blocks;
}

/// Index of the first block that ends after `row`.
inline std::int64_t first_block(const std::vector<BlockRange>& blocks, std::int64_t row) {
  return std::upper_bound(blocks.begin(), blocks.end(), row,
                          [](std::int64_t r, const BlockRange& b) { return r < b.end; }) -
         blocks.begin();
}

inline void find_components(AttentionPlan& plan) {
  const auto queries = static_cast<std::int64_t>(plan.q_blocks.size());
  std::vector<std::int64_t> parent(plan.q_blocks.size() + plan.k_blocks.size());
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&](std::int64_t node) {
    while (parent[node] != node) node = parent[node] = parent[parent[node]];
    return node;
  };
  for (std::int64_t q = 0; q < queries; ++q) {
    for (const AttentionTile& tile : plan.by_query[q]) parent[root(q)] = root(queries + tile.block);
  }
  std::vector<std::int64_t> index(parent.size(), -1);
  for (std::int64_t node = 0; node < static_cast<std::int64_t>(parent.size()); ++node) {
    std::int64_t& component = index[root(node)];
    if (component < 0) {
      component = static_cast<std::int64_t>(plan.components.size());
      plan.components.emplace_back();
    }
    AttentionComponent& members = plan.components[component];
    (node < queries ? members.q_blocks : members.k_blocks)
        .push_back(node < queries ? node : node - queries);
  }
}

/// `cut_all`: blocks of keys begin where any part's keys begin.
inline AttentionPlan plan_attention(const std::vector<AttentionPart>& parts, std::int64_t window,
                                    bool cut_all = false) {
  AttentionPlan plan;
  std::vector<std::int64_t> q_borders, k_borders;
  std::vector<BlockRange> q_used, k_used;
  for (const AttentionPart& part : parts) {
    if (part.q0 >= part.q1 || part.k0 >= part.k1) continue;
    q_used.push_back({part.q0, part.q1});
    k_used.push_back({part.k0, part.k1});
    q_borders.insert(q_borders.end(), {part.q0, part.q1});
    // A window trims the keys of full parts at many places; tiles are masked there instead.
    if (part.causal || window <= 0 || cut_all)
      k_borders.insert(k_borders.end(), {part.k0, part.k1});
  }
  plan.q_blocks = cut_blocks(std::move(q_borders), q_used);
  plan.k_blocks = cut_blocks(std::move(k_borders), k_used);
  plan.by_query.resize(plan.q_blocks.size());
  plan.by_key.resize(plan.k_blocks.size());
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const AttentionPart& part = parts[p];
    if (part.q0 >= part.q1 || part.k0 >= part.k1) continue;
    for (std::int64_t q = first_block(plan.q_blocks, part.q0);
         q < static_cast<std::int64_t>(plan.q_blocks.size()) && plan.q_blocks[q].begin < part.q1;
         ++q) {
      // Both ends of the visible interval grow with the query.
      const BlockRange first = visible_keys(part, window, plan.q_blocks[q].begin);
      const BlockRange last = visible_keys(part, window, plan.q_blocks[q].end - 1);
      for (std::int64_t k = first_block(plan.k_blocks, first.begin);
           k < static_cast<std::int64_t>(plan.k_blocks.size()) && plan.k_blocks[k].begin < last.end;
           ++k) {
        const BlockRange& keys = plan.k_blocks[k];
        const bool full = keys.begin >= last.begin && keys.end <= first.end;
        plan.by_query[q].push_back({k, static_cast<std::int64_t>(p), full});
        plan.by_key[k].push_back({q, static_cast<std::int64_t>(p), full});
      }
    }
  }
  find_components(plan);
  return plan;
}

}  // namespace posttrain::detail
