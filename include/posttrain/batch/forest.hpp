// SPDX-License-Identifier: Apache-2.0
// The segment forest of a packed batch and the list of attention parts that follows from it.
//
// A batch is one row of tokens, without padding. Its segments form a forest in depth-first order: a
// segment attends causally to itself and fully to its ancestors, to nothing else. Plain packing is
// a forest of roots; a preference pair is a prompt with two children; a group of rollouts a prompt
// with G children. So nothing here knows of masks, pad tokens or position ids: all of it follows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace posttrain {

/// A segment: rows [begin, end) of the batch. Its descendants are the rows [end, subtree_end).
struct Segment {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t subtree_end = 0;
  std::int64_t position = 0;  // position (within its sequence) of the segment's first token

  bool operator==(const Segment&) const = default;
};

/// Queries [q0, q1) see keys [k0, k1), all of them or (`causal`) those at or before their own
/// position. `qpos` and `kpos` are the positions of row q0 and of row k0; a sliding window looks at
/// position differences. Attention knows nothing else of the forest.
struct AttentionPart {
  std::int64_t q0 = 0, q1 = 0;
  std::int64_t k0 = 0, k1 = 0;
  bool causal = true;
  std::int64_t qpos = 0, kpos = 0;
};

/// How many pairs of a query and a key there are without a window.
inline double attended_pairs(const std::vector<Segment>& nodes) {
  double pairs = 0.0;
  for (const Segment& node : nodes) {
    const auto own = static_cast<double>(node.end - node.begin);
    pairs += own * (static_cast<double>(node.position) + (own + 1.0) / 2.0);
  }
  return pairs;
}

/// The parts of a forest. Without a window: one causal part per node and one full part per inner
/// node over the queries of all its descendants. With a window of `window` > 0 positions (a query
/// at position p sees keys at positions > p − window): the full parts are split by descendant node,
/// trimmed to what the window can reach, and dropped where that is nothing.
inline std::vector<AttentionPart> attention_parts(const std::vector<Segment>& nodes,
                                                  std::int64_t window = 0) {
  std::vector<AttentionPart> parts;
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    const Segment& node = nodes[n];
    if (node.begin < node.end) {
      parts.push_back(
          {node.begin, node.end, node.begin, node.end, true, node.position, node.position});
    }
    if (node.end == node.subtree_end || node.begin == node.end) continue;
    if (window <= 0) {
      // Positions are unused by a full part without a window.
      parts.push_back({node.end, node.subtree_end, node.begin, node.end, false, 0, 0});
      continue;
    }
    for (std::size_t d = n + 1; d < nodes.size() && nodes[d].begin < node.subtree_end; ++d) {
      const Segment& descendant = nodes[d];
      // The first query of the descendant sees furthest back, its last query least far.
      const std::int64_t first_key_position = descendant.position - window + 1;
      const std::int64_t k0 =
          node.begin + std::max<std::int64_t>(0, first_key_position - node.position);
      const std::int64_t last_key_position = node.position + (node.end - node.begin) - 1;
      const std::int64_t q1 = std::min(
          descendant.end, descendant.begin + last_key_position + window - descendant.position);
      if (k0 >= node.end || q1 <= descendant.begin) continue;
      parts.push_back({descendant.begin, q1, k0, node.end, false, descendant.position,
                       node.position + (k0 - node.begin)});
    }
  }
  return parts;
}

/// `attention_parts` where `prefix` keys precede all sequences (prefix tuning): every query sees
/// them. They are rows [0, prefix) of the keys, at positions 0 … prefix − 1, and the forest's own
/// keys follow; the nodes' positions count them.
inline std::vector<AttentionPart> attention_parts_after_prefix(const std::vector<Segment>& nodes,
                                                               std::int64_t prefix,
                                                               std::int64_t window = 0) {
  const std::int64_t rows = nodes.empty() ? 0 : nodes.back().subtree_end;
  std::vector<Segment> all{{0, prefix, prefix + rows, 0}};
  for (const Segment& node : nodes) {
    all.push_back(
        {node.begin + prefix, node.end + prefix, node.subtree_end + prefix, node.position});
  }
  std::vector<AttentionPart> parts;
  for (AttentionPart part : attention_parts(all, window)) {
    if (part.q0 < prefix) continue;  // the prefix has keys, but no queries
    part.q0 -= prefix;
    part.q1 -= prefix;
    parts.push_back(part);
  }
  return parts;
}

/// The position of every row: segments count on from where their parent ended.
inline std::vector<std::int64_t> token_positions(const std::vector<Segment>& nodes) {
  std::vector<std::int64_t> positions;
  for (const Segment& node : nodes) {
    for (std::int64_t row = node.begin; row < node.end; ++row) {
      positions.push_back(node.position + (row - node.begin));
    }
  }
  return positions;
}

/// For each node the length of the longest path through its tree: what "sequence length" means for
/// a forest. Taken per tree, so that it does not depend on what else is packed.
inline std::vector<std::int64_t> tree_lengths(const std::vector<Segment>& nodes) {
  std::vector<std::int64_t> lengths(nodes.size(), 0);
  for (std::size_t root = 0; root < nodes.size();) {
    std::int64_t longest = 0;
    std::size_t last = root;
    for (; last < nodes.size() && nodes[last].begin < nodes[root].subtree_end; ++last) {
      longest = std::max(longest, nodes[last].position + nodes[last].end - nodes[last].begin);
    }
    for (; root < last; ++root) lengths[root] = longest;
  }
  return lengths;
}

}  // namespace posttrain
