// SPDX-License-Identifier: Apache-2.0
// Means that a loss reports beside its value, over all micro-batches of a step:
//
//   means.add("rewards/margins", sum, count);
//
// Sums and counts are added up apart and divided once, so that the split into micro-batches does
// not change them (a mean of means would).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace posttrain {

class MetricMeans {
 public:
  void add(std::string_view name, double sum, double count) {
    for (Entry& entry : entries_) {
      if (entry.name != name) continue;
      entry.sum += sum;
      entry.count += count;
      return;
    }
    entries_.push_back({std::string(name), sum, count});
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
    std::string name;
    double sum = 0.0, count = 0.0;
  };
  std::vector<Entry> entries_;
};

}  // namespace posttrain
