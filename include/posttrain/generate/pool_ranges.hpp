// SPDX-License-Identifier: Apache-2.0
// Which rows of a pool are taken: ranges that are handed out and come back.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <optional>

namespace posttrain::detail {

/// Rows [begin, begin + size).
struct PoolRange {
  std::int64_t begin = 0, size = 0;
  std::int64_t end() const { return begin + size; }
  PoolRange first(std::int64_t count) const { return {begin, count}; }
  PoolRange from(std::int64_t count) const { return {begin + count, size - count}; }
};

/// The free rows among [0, rows), as disjoint ranges that do not touch.
class PoolRanges {
 public:
  std::int64_t rows() const { return rows_; }
  std::int64_t free_rows() const { return free_rows_; }

  /// Free rows behind the others.
  void grow(std::int64_t count) {
    give_back({rows_, count});
    rows_ += count;
  }

  /// A range out of the smallest hole that has room, at its begin; nothing where none has.
  std::optional<PoolRange> take(std::int64_t size) {
    if (size == 0) return PoolRange{};
    auto best = holes_.end();
    for (auto hole = holes_.begin(); hole != holes_.end(); ++hole) {
      if (hole->second >= size && (best == holes_.end() || hole->second < best->second)) {
        best = hole;
      }
    }
    if (best == holes_.end()) return std::nullopt;
    const PoolRange range{best->first, size}, rest{best->first + size, best->second - size};
    holes_.erase(best);
    if (rest.size > 0) holes_.emplace(rest.begin, rest.size);
    free_rows_ -= size;
    return range;
  }

  void give_back(PoolRange range) {
    if (range.size == 0) return;
    free_rows_ += range.size;
    const auto next = holes_.lower_bound(range.begin);
    if (next != holes_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == range.begin) {
        range = {before->first, before->second + range.size};
        holes_.erase(before);
      }
    }
    if (next != holes_.end() && range.end() == next->first) {
      range.size += next->second;
      holes_.erase(next);
    }
    holes_.emplace(range.begin, range.size);
  }

 private:
  std::map<std::int64_t, std::int64_t> holes_;  // begin → size
  std::int64_t rows_ = 0, free_rows_ = 0;
};

}  // namespace posttrain::detail
