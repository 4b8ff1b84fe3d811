// SPDX-License-Identifier: Apache-2.0
// Finds where one of several texts is complete in a text that comes piece by piece, whatever the
// borders of the pieces, and says what may be shown before it is known that none begins there.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace posttrain {

class StopStrings {
 public:
  struct Match {
    std::size_t begin = 0;  // bytes of the whole text before it
    std::string stop;
  };

  explicit StopStrings(std::vector<std::string> stops = {}) : stops_(std::move(stops)) {}

  /// All that came.
  const std::string& text() const { return text_; }

  /// The match that is complete first: the one that begins first of those that end in this piece,
  /// of those that begin together the longest. `count` false: what ends in this piece does not
  /// count, nor later on.
  std::optional<Match> push(std::string_view piece, bool count = true) {
    const std::size_t before = text_.size();
    text_ += piece;
    std::optional<Match> found;
    for (const std::string& stop : stops_) {
      // A match ends in the new piece, so it begins at most its length before.
      const std::size_t from = before + 1 > stop.size() ? before + 1 - stop.size() : 0;
      const std::size_t at = text_.find(stop, from);
      if (at == std::string::npos) continue;
      if (!found || at < found->begin || (at == found->begin && stop.size() > found->stop.size())) {
        found = Match{at, stop};
      }
    }
    return count ? found : std::nullopt;
  }

  /// How many bytes of the text cannot become part of a match any more.
  std::size_t settled() const {
    std::size_t held = 0;
    for (const std::string& stop : stops_) {
      for (std::size_t size = std::min(stop.size() - 1, text_.size()); size > held; --size) {
        if (std::string_view(text_).ends_with(std::string_view(stop).substr(0, size))) held = size;
      }
    }
    return text_.size() - held;
  }

 private:
  std::vector<std::string> stops_;
  std::string text_;
};

}  // namespace posttrain
