// SPDX-License-Identifier: Apache-2.0
// Means that a loss reports beside its value, over all micro-batches of a step:
//
//   means.add("rewards/margins", sum, count);
//
// Sums and counts are added up apart and divided once, so that the split into micro-batches does
// not change them (a mean of means would). Extremes are those of the whole step likewise.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace posttrain {

class MetricMeans {
 public:
  void add(std::string_view name, double sum, double count) {
    Entry& entry = find(name, {0.0, 0.0});
    entry.sum += sum;
    entry.count += count;
  }

  /// The least, and the greatest, of all values under a name.
  void add_min(std::string_view name, double value) {
    Entry& entry = find(name, {value, 1.0});
    entry.sum = std::min(entry.sum, value);
  }
  void add_max(std::string_view name, double value) {
    Entry& entry = find(name, {value, 1.0});
    entry.sum = std::max(entry.sum, value);
  }

  /// In the order of their first appearance; what was never counted is left out.
  std::vector<std::pair<std::string, double>> values() const {
    std::vector<std::pair<std::string, double>> all;
    for (const Entry& entry : entries_) {
      if (entry.count > 0.0) all.emplace_back(entry.name, entry.sum / entry.count);
    }
    return all;
  }

 private:
  struct Entry {
    double sum = 0.0, count = 0.0;
    std::string name{};
  };

  /// The entry of this name, a new one from `start`.
  Entry& find(std::string_view name, Entry start) {
    for (Entry& entry : entries_) {
      if (entry.name == name) return entry;
    }
    start.name = name;
    return entries_.emplace_back(std::move(start));
  }

  std::vector<Entry> entries_;
};

}  // namespace posttrain
