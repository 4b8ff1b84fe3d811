// SPDX-License-Identifier: Apache-2.0
// A template's source: plain newlines, valid UTF-8, and the line and column of every byte.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/jinja/token.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text::jinja {

class SourceText {
 public:
  explicit SourceText(std::string_view source) {
    text_.reserve(source.size());
    for (std::size_t i = 0; i < source.size(); ++i) {
      if (source[i] == '\r') {
        text_ += '\n';
        if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      } else {
        text_ += source[i];
      }
    }
    if (!is_valid_utf8(text_)) text_ = repair_utf8(text_);
    if (text_.ends_with('\n')) text_.pop_back();
    for (std::size_t i = 0; i < text_.size(); ++i) {
      if (text_[i] == '\n') starts_.push_back(i + 1);
    }
  }

  std::string_view view() const { return text_; }
  std::string_view from(std::size_t at) const { return view().substr(std::min(at, text_.size())); }
  std::size_t size() const { return text_.size(); }
  char operator[](std::size_t i) const { return i < text_.size() ? text_[i] : '\0'; }

  Place place(std::size_t at) const {
    const auto line = std::upper_bound(starts_.begin(), starts_.end(), at) - 1;
    // Places are mostly asked for in order: columns of a long line are counted on.
    const bool goes_on = counted_ >= *line && counted_ <= at;
    int column = goes_on ? column_ : 1;
    for (std::size_t i = goes_on ? counted_ : *line; i < at && i < text_.size(); ++i) {
      column += (static_cast<unsigned char>(text_[i]) & 0xC0U) != 0x80U ? 1 : 0;
    }
    counted_ = at;
    column_ = column;
    return {static_cast<int>(line - starts_.begin()) + 1, column};
  }

  [[noreturn]] void error(std::size_t at, std::string_view message) const {
    raise_at(place(at), message);
  }

 private:
  std::string text_;
  std::vector<std::size_t> starts_{0};  // of the lines
  mutable std::size_t counted_ = 0;     // the place that was asked for last, and its column
  mutable int column_ = 1;
};

}  // namespace posttrain::text::jinja
