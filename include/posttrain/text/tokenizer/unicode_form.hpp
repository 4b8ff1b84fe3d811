// SPDX-License-Identifier: Apache-2.0
// The Unicode normalisation forms NFC, NFD, NFKC and NFKD on aligned text.
//
// Stretches that a form leaves alone are copied; between them characters are decomposed and put in
// canonical order (utf8proc), and for NFC and NFKC composed again, with a record of what came from
// what. Without that record one call of utf8proc would do.
#pragma once

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/text/tokenizer/aligned_text.hpp"
#include "posttrain/text/tokenizer/characters.hpp"

namespace posttrain::text {

struct UnicodeForm {
  bool compose = false;
  bool compatibility = false;

  AlignedText operator()(Piece piece) const {
    std::vector<Mark> marks;
    marks.reserve(piece.text.size());
    for_each_character(piece.text,
                       [&](char32_t c, std::size_t, std::size_t) { decompose(c, marks); });
    order(marks);
    if (compose) recompose(marks);
    TextEdit edit(piece);
    for (const Mark& mark : marks) edit.put(mark.code, mark.change);
    return edit.finish();
  }

 private:
  /// A character, how it came about (see TextEdit::put), and its combining class.
  struct Mark {
    char32_t code = 0;
    int change = 0;
    int combining = 0;
    std::size_t place = 0;
  };

  static int combining_class(char32_t c) {
    return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
  }

  void decompose(char32_t c, std::vector<Mark>& out) const {
    if (c < 0x80) {
      out.push_back({c, 0, 0, 0});
      return;
    }
    std::array<utf8proc_int32_t, 32> parts{};
    const int options = UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0);
    const auto count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(), parts.size(),
                                static_cast<utf8proc_option_t>(options), nullptr);
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      const auto part = static_cast<char32_t>(parts[static_cast<std::size_t>(i)]);
      out.push_back({part, i > 0 ? 1 : 0, combining_class(part), 0});
    }
  }

  static void order(std::vector<Mark>& marks) {
    for (std::size_t i = 0; i < marks.size();) {
      if (marks[i].combining == 0) {
        ++i;
        continue;
      }
      std::size_t end = i;
      while (end < marks.size() && marks[end].combining != 0) ++end;
      // By class, and equal ones as they stand.
      for (std::size_t k = i; k < end; ++k) marks[k].place = k;
      std::sort(marks.begin() + static_cast<std::ptrdiff_t>(i),
                marks.begin() + static_cast<std::ptrdiff_t>(end), [](const Mark& a, const Mark& b) {
                  return std::pair(a.combining, a.place) < std::pair(b.combining, b.place);
                });
      i = end;
    }
  }

  /// The character that two compose to, or 0.
  static char32_t composed(char32_t first, char32_t second) {
    if (second < 0x300 || !CharacterClasses::get().is(second, CharacterClasses::kNotNfc)) return 0;
    std::array<utf8proc_int32_t, 2> pair = {static_cast<utf8proc_int32_t>(first),
                                            static_cast<utf8proc_int32_t>(second)};
    const auto count = utf8proc_normalize_utf32(
        pair.data(), 2, static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
    return count == 1 ? static_cast<char32_t>(pair[0]) : 0;
  }

  static void recompose(std::vector<Mark>& marks) {
    std::vector<Mark> out;
    out.reserve(marks.size());
    constexpr std::size_t kNone = static_cast<std::size_t>(-1);
    std::size_t starter = kNone;  // in `out`
    int blocked = -1;             // the class of the last mark left behind the starter
    for (const Mark& mark : marks) {
      if (starter != kNone && blocked < (blocked < 0 ? 0 : mark.combining)) {
        if (const char32_t whole = composed(out[starter].code, mark.code); whole != 0) {
          out[starter].code = whole;
          out[starter].change += mark.change - 1;
          continue;
        }
      }
      if (mark.combining == 0) {
        starter = out.size();
        blocked = -1;
      } else {
        blocked = mark.combining;
      }
      out.push_back(mark);
    }
    marks = std::move(out);
  }
};

}  // namespace posttrain::text
