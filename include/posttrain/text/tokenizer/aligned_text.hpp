// SPDX-License-Identifier: Apache-2.0
// Text on its way through the tokenizer, with (on request) the range of the source behind each
// byte.
//
// Steps rewrite it through a `TextEdit`, character by character: a character replaces the one that
// stands at the same place (and perhaps some more), or is new. A new one shares the range of the
// byte before it. That is the rule by which the `tokenizers` package assigns offsets.
//
// A text knows how large it may become (text/tokenizer/limits.hpp), and an edit keeps to it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/text/tokenizer/limits.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

/// Bytes [begin, end) of a text.
struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool operator==(const ByteRange&) const = default;
};

struct AlignedText {
  std::string text;
  std::vector<ByteRange> source;  // per byte of `text`; empty if not tracked
  std::size_t origin = 0;         // where in the source this text starts
  bool tracked = false;
  std::size_t most = std::numeric_limits<std::size_t>::max();  // bytes that it may be rewritten to

  AlignedText() = default;
  /// Text that is itself the source from `begin` on.
  AlignedText(std::string_view from, std::size_t begin, bool track)
      : text(from), origin(begin), tracked(track) {
    if (!track) return;
    source.reserve(from.size());
    for (std::size_t i = 0; i < from.size();) {
      const std::size_t size = decode_utf8(from, i).size;
      source.insert(source.end(), size, ByteRange{begin + i, begin + i + size});
      i += size;
    }
  }
};

/// A view of aligned text.
struct Piece {
  std::string_view text;
  const ByteRange* source = nullptr;  // of its first byte; null if not tracked
  std::size_t origin = 0;
  std::size_t most = std::numeric_limits<std::size_t>::max();  // see AlignedText

  Piece() = default;
  Piece(const AlignedText& from)  // NOLINT(google-explicit-constructor): a view, as of a string
      : text(from.text),
        source(from.tracked ? from.source.data() : nullptr),
        origin(from.origin),
        most(from.most) {}

  Piece part(std::size_t begin, std::size_t end) const {
    Piece out;
    out.text = text.substr(begin, end - begin);
    out.most = most;
    out.source = source == nullptr ? nullptr : source + begin;
    out.origin = source == nullptr || begin >= text.size() ? origin : source[begin].begin;
    return out;
  }

  /// The source of bytes [begin, end).
  ByteRange source_of(std::size_t begin, std::size_t end) const {
    if (begin >= end || end > text.size()) return {origin + begin, origin + end};
    return {source[begin].begin, source[end - 1].end};
  }
};

class TextEdit {
 public:
  explicit TextEdit(Piece from) : from_(from) {
    out_.tracked = from.source != nullptr;
    out_.origin = from.origin;
    out_.most = from.most;
    out_.text.reserve(from.text.size() + 16);
    if (out_.tracked) out_.source.reserve(from.text.size() + 16);
  }

  std::size_t position() const { return at_; }

  /// Leaves `size` bytes as they are.
  void keep(std::size_t size) {
    size = std::min(size, from_.text.size() - at_);
    out_.text += from_.text.substr(at_, size);
    if (out_.tracked) {
      out_.source.insert(out_.source.end(), from_.source + at_, from_.source + at_ + size);
    }
    at_ += size;
  }

  void drop(std::size_t size) { at_ = std::min(at_ + size, from_.text.size()); }

  void insert(std::string_view text) {
    check_rewriting(out_.text.size() + text.size(), from_.most);
    out_.text += text;
    if (out_.tracked) {
      const ByteRange range =
          at_ > 0 ? from_.source[at_ - 1] : ByteRange{from_.origin, from_.origin};
      out_.source.insert(out_.source.end(), text.size(), range);
    }
  }

  /// `text` takes the place of `size` bytes and the range of the first of them.
  void replace(std::size_t size, std::string_view text) {
    if (at_ >= from_.text.size()) return insert(text);
    check_rewriting(out_.text.size() + text.size(), from_.most);
    out_.text += text;
    if (out_.tracked) out_.source.insert(out_.source.end(), text.size(), from_.source[at_]);
    drop(size);
  }

  /// One character: new (`change` > 0), or in the place of one and of −change behind it.
  void put(char32_t code, int change) {
    buffer_.clear();
    append_utf8(buffer_, code);
    if (change > 0) return insert(buffer_);
    std::size_t size = 0;
    for (int i = 0; i <= -change && at_ + size < from_.text.size(); ++i) {
      size += decode_utf8(from_.text, at_ + size).size;
    }
    replace(size, buffer_);
  }

  AlignedText finish() { return std::move(out_); }

 private:
  Piece from_;
  AlignedText out_;
  std::size_t at_ = 0;
  std::string buffer_;
};

/// Calls `visit(code, begin, size)` for every character.
template <class Visit>
void for_each_character(std::string_view text, Visit&& visit) {
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = decode_utf8(text, i);
    visit(point.code, i, point.size);
    i += point.size;
  }
}

}  // namespace posttrain::text
