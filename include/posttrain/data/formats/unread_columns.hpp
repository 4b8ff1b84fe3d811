// SPDX-License-Identifier: Apache-2.0
// How many samples have each column that nothing reads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"

namespace posttrain::data {

class UnreadColumns {
 public:
  static constexpr std::size_t kMost = 20;  // names that are kept, the first ones

  void add(std::string_view column, std::int64_t samples = 1) {
    const auto found = std::find_if(counts_.begin(), counts_.end(),
                                    [&](const auto& entry) { return entry.first == column; });
    if (found != counts_.end()) {
      found->second += samples;
    } else if (counts_.size() < kMost) {
      counts_.emplace_back(column, samples);
    }
  }

  void merge(const UnreadColumns& other) {
    for (const auto& [column, samples] : other.counts_) add(column, samples);
  }

  bool empty() const { return counts_.empty(); }
  const std::vector<std::pair<std::string, std::int64_t>>& counts() const { return counts_; }

  /// "'note' (12 samples), 'votes' (3)"
  std::string description() const {
    std::string text;
    for (const auto& [column, samples] : counts_) {
      text += fmt::format("{}'{}' ({}{})", text.empty() ? "" : ", ", column, samples,
                          text.empty() ? " samples" : "");
    }
    return text;
  }

 private:
  std::vector<std::pair<std::string, std::int64_t>> counts_;
};

}  // namespace posttrain::data
