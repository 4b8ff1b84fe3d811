// SPDX-License-Identifier: Apache-2.0
// The filter `wordwrap`: Python's textwrap.wrap on every line of a text, with tabs and white space
// left as they are. Including this header registers it (jinja/registry.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/arithmetic.hpp"
#include "posttrain/jinja/function.hpp"
#include "posttrain/jinja/letters.hpp"
#include "posttrain/jinja/registry.hpp"
#include "posttrain/jinja/splitting.hpp"
#include "posttrain/jinja/value.hpp"

namespace posttrain::text::jinja {

/// One line, cut into chunks (words, parts of hyphenated words, white space) and put into lines of
/// at most `width` characters.
class WordWrapper {
 public:
  struct Options {
    std::size_t width = 79;
    bool break_long_words = true;
    bool break_on_hyphens = true;  // within words that are too long
    bool split_at_hyphens = true;  // everywhere
  };

  WordWrapper(std::string_view line, Options options) : options_(options) {
    spend(2 * line.size());  // for what is kept of each character
    for (const std::string_view c : characters(line)) {
      offsets_.push_back(static_cast<std::size_t>(c.data() - line.data()));
      codes_.push_back(decode_utf8(c, 0).code);
    }
    offsets_.push_back(line.size());
    for (std::size_t at = 0; at < codes_.size();) {
      const std::size_t end = chunk_end(at);
      chunks_.emplace_back(at, end);
      at = end;
    }
  }

  /// The lines, as bytes [begin, end) of the text.
  std::vector<std::pair<std::size_t, std::size_t>> wrap() {
    std::vector<std::pair<std::size_t, std::size_t>> lines;
    for (std::size_t next = 0; next < chunks_.size();) {
      spend(1);
      if (!lines.empty() && blank(chunks_[next])) ++next;
      const std::size_t first = next;
      const std::size_t begin = next < chunks_.size() ? chunks_[next].first : codes_.size();
      std::size_t end = begin;
      while (next < chunks_.size() && chunks_[next].second - begin <= options_.width) {
        end = chunks_[next++].second;
      }
      if (next < chunks_.size() && size(chunks_[next]) > options_.width) {
        // As in Python, white space before a word that is cut stays.
        if (options_.break_long_words) {
          Chunk& word = chunks_[next];
          const std::size_t cut = word.first + cut_of(word, options_.width - (end - begin));
          if (!is_blank(word.first, cut)) end = cut;
          word.first = cut;
          if (end > begin) lines.emplace_back(offsets_[begin], offsets_[end]);
          continue;
        } else if (next == first) {
          end = chunks_[next++].second;
        }
      }
      if (next > first && blank(chunks_[next - 1])) end = chunks_[next - 1].first;
      if (end > begin) lines.emplace_back(offsets_[begin], offsets_[end]);
    }
    return lines;
  }

 private:
  using Chunk = std::pair<std::size_t, std::size_t>;  // characters [first, second)

  static std::size_t size(const Chunk& chunk) { return chunk.second - chunk.first; }
  bool is_blank(std::size_t begin, std::size_t end) const {
    const auto from = codes_.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto to = codes_.begin() + static_cast<std::ptrdiff_t>(end);
    const auto found = std::find_if_not(from, to, is_python_space);
    spend_decoding(static_cast<std::size_t>(found - from));
    return found == to;
  }
  bool blank(const Chunk& chunk) const { return is_blank(chunk.first, chunk.second); }

  /// How much of a word that is too long goes onto the line: all that there is room for, or up to
  /// its last hyphen.
  std::size_t cut_of(const Chunk& word, std::size_t room) const {
    if (!options_.break_on_hyphens || room == 0) return room;
    spend_decoding(room);
    std::size_t hyphen = room;
    while (hyphen > 0 && codes_[word.first + hyphen - 1] != U'-') --hyphen;
    for (std::size_t i = 0; i + 1 < hyphen; ++i) {
      if (codes_[word.first + i] != U'-') return hyphen;
    }
    return room;
  }

  bool space(std::size_t at) const { return codes_[at] == U' ' || (codes_[at] - 9U) < 5U; }
  bool letter(std::size_t at) const {
    return at < codes_.size() && is_word_character(codes_[at]) &&
           category(codes_[at]) != UTF8PROC_CATEGORY_ND;
  }
  /// A dash of two or more between words starts at `at`: its end, or `at`.
  std::size_t dash_end(std::size_t at) const {
    if (at == 0 || !is_word_or_mark(codes_[at - 1])) return at;
    std::size_t end = at;
    while (end < codes_.size() && codes_[end] == U'-') ++end;
    return end >= at + 2 && end < codes_.size() && is_word_character(codes_[end]) ? end : at;
  }
  /// The hyphen at `at` stands between letters, so that a line may end behind it.
  bool divides(std::size_t at) const {
    if (codes_[at] != U'-') return false;
    const bool after = (at >= 2 && letter(at - 1) && letter(at - 2)) ||
                       (at >= 3 && letter(at - 1) && codes_[at - 2] == U'-' && letter(at - 3));
    if (!after || !letter(at + 1)) return false;
    return letter(at + 2) || (at + 2 < codes_.size() && codes_[at + 2] == U'-' && letter(at + 3));
  }

  std::size_t chunk_end(std::size_t at) const {
    std::size_t end = at;
    while (end < codes_.size() && space(end)) ++end;
    if (end > at) return end;
    if (!options_.split_at_hyphens) {
      while (end < codes_.size() && !space(end)) ++end;
      return end;
    }
    if (const std::size_t dash = dash_end(at); dash > at) return dash;
    for (end = at + 1; end < codes_.size() && !space(end); ++end) {
      if (divides(end)) return end + 1;
      if (codes_[end] == U'-' && dash_end(end) > end) return end;
    }
    return end;
  }

  /// Python's \w: str.isalnum() or an underscore.
  static bool is_word_character(char32_t c) { return is_letter(c) || is_numeric(c) || c == U'_'; }
  static bool is_word_or_mark(char32_t c) {
    return is_word_character(c) || std::u32string_view(U"!\"'&.,?").find(c) < 7;
  }

  Options options_;
  std::vector<std::size_t> offsets_;  // of each character, and the end
  std::u32string codes_;
  std::vector<Chunk> chunks_;
};

namespace filters {

inline Value word_wrap(Runtime&, const Value& input, const Arguments& arguments) {
  if (input.is_undefined()) undefined_error(input);
  if (!input.is_string()) raise("wordwrap: expected a string, got {}", input.type_name());
  const Value* width = arguments.get(0, "width");
  const Value* breaking = arguments.get(1, "break_long_words");
  const Value* mark = arguments.get(2, "wrapstring");
  const Value* hyphens = arguments.get(3, "break_on_hyphens");
  if (mark != nullptr && mark->is_none()) mark = nullptr;
  if (mark != nullptr && !mark->is_string()) fail("wordwrap: expected wrapstring to be a string");
  WordWrapper::Options options;
  options.break_long_words = breaking == nullptr || breaking->truth();
  options.break_on_hyphens = hyphens == nullptr || hyphens->truth();
  options.split_at_hyphens = hyphens == nullptr || (hyphens->is_bool() && hyphens->truth());

  const bool markup = mark != nullptr && mark->is_markup();
  const std::string between = mark != nullptr ? mark->text() : "\n";
  std::string out;
  bool first = true;
  for (const std::string& line : split_lines(input.text())) {
    const std::int64_t wanted = width != nullptr ? width->integer() : 79;
    if (wanted <= 0) raise("wordwrap: expected a width above 0, got {}", wanted);
    options.width = static_cast<std::size_t>(wanted);
    if (!std::exchange(first, false)) append(out, between);
    bool first_part = true;
    for (const auto& [begin, end] : WordWrapper(line, options).wrap()) {
      if (!std::exchange(first_part, false)) append(out, between);
      const std::string part = line.substr(begin, end - begin);
      append(out, markup ? escape_markup(part) : part);
    }
  }
  return make_text(std::move(out), markup);
}

inline const bool kWordWrap = registry().add_filter("wordwrap", word_wrap);

}  // namespace filters

}  // namespace posttrain::text::jinja
