// SPDX-License-Identifier: Apache-2.0
// The rows that one step of a generator reads: pieces of prompts, and the next ids of samples
// behind them, in depth-first order, so that all rows behind a prompt lie together and see it as
// one part.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "posttrain/batch/forest.hpp"
#include "posttrain/generate/prefix_tree.hpp"

namespace posttrain::detail {

/// Some ids in a row, and where their keys and values go.
struct StepItem {
  const PrefixNode* parent = nullptr;  // all of its ancestors' keys are visible
  PoolRange rows{};                    // of the run of which these ids are a part
  std::int64_t first = 0;              // ids of the run that are read already
  std::span<const TokenId> ids{};
  std::int64_t position = 0;  // of the run's first id
  std::int64_t length = -1;   // of the sequence, for rotary frequencies; -1: up to each id
  bool write = true;          // false: the keys are there, only hidden states are wanted
};

class StepRows {
 public:
  /// Appends an item and returns its first row. Items come in depth-first order.
  std::int64_t add(const StepItem& item) {
    const std::int64_t row = rows_;
    items_.push_back(item);
    begins_.push_back(row);
    rows_ += static_cast<std::int64_t>(item.ids.size());
    return row;
  }

  std::int64_t rows() const { return rows_; }
  const std::vector<StepItem>& items() const { return items_; }

  /// Rows [begin, rows()) see all of a node's keys: call it when they are complete.
  void see(const PrefixNode& node, std::int64_t begin) {
    if (node.rows.size > 0 && begin < rows_) shared_.push_back({&node, begin, rows_});
  }

  /// The attention parts of a layer with this window (0: none). A causal part for each item over
  /// its run; full parts over ancestors, which with a window are each item's own, as far as it
  /// reaches. `whole`: over all of an ancestor's keys, so that tiles begin where it begins.
  std::vector<AttentionPart> parts(std::int64_t window, bool whole = false) const {
    std::vector<AttentionPart> parts;
    if (window <= 0) {
      for (auto seen = shared_.rbegin(); seen != shared_.rend(); ++seen) {  // parents first
        const PoolRange& keys = seen->node->rows;
        parts.push_back({seen->begin, seen->end, keys.begin, keys.end(), false, 0, 0});
      }
    }
    for (std::size_t i = 0; i < items_.size(); ++i) {
      const StepItem& item = items_[i];
      const auto count = static_cast<std::int64_t>(item.ids.size());
      const std::int64_t q0 = begins_[i], position = item.position + item.first;
      if (window > 0) add_windowed(item, q0, q0 + count, position, window, whole, parts);
      parts.push_back({q0, q0 + count, item.rows.begin, item.rows.begin + item.first + count, true,
                       position, item.position});
    }
    return parts;
  }

 private:
  struct Seen {
    const PrefixNode* node;
    std::int64_t begin, end;
  };

  static void add_windowed(const StepItem& item, std::int64_t q0, std::int64_t q1,
                           std::int64_t position, std::int64_t window, bool whole,
                           std::vector<AttentionPart>& parts) {
    std::vector<const PrefixNode*> path;
    for (const PrefixNode* node = item.parent; node != nullptr; node = node->parent) {
      path.insert(path.begin(), node);
    }
    for (const PrefixNode* node : path) {
      // The first query sees furthest back, the last one least far.
      std::int64_t skipped = std::max<std::int64_t>(0, position - window + 1 - node->position);
      const std::int64_t last = node->end_position() - 1 + window;  // queries before it see a key
      const std::int64_t end = std::min(q1, q0 + last - position);
      if (skipped >= node->rows.size || end <= q0) continue;
      if (whole) skipped = 0;
      parts.push_back({q0, end, node->rows.begin + skipped, node->rows.end(), false, position,
                       node->position + skipped});
    }
  }

  std::vector<StepItem> items_;
  std::vector<std::int64_t> begins_;
  std::vector<Seen> shared_;
  std::int64_t rows_ = 0;
};

}  // namespace posttrain::detail
