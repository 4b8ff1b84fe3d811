// SPDX-License-Identifier: Apache-2.0
// Letter case and character classes as Python's str has them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/jinja/operators.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text::jinja {

/// str.isspace(): Unicode's white space and four separators that only Python counts.
inline bool is_python_space(char32_t c) { return is_whitespace(c) || (c >= 0x1C && c <= 0x1F); }

/// Upper case of the letters that become several, beyond what utf8proc maps one to one.
inline std::string_view upper_of_special(char32_t c) {
  constexpr std::pair<char32_t, std::string_view> kTable[] = {
      {0xDF, "SS"},    {0x149, "ʼN"},  {0x1F0, "J̌"},   {0x390, "Ϊ́"},   {0x3B0, "Ϋ́"},
      {0x587, "ԵՒ"},   {0x1E96, "H̱"},  {0x1E97, "T̈"},  {0x1E98, "W̊"},  {0x1E99, "Y̊"},
      {0x1E9A, "Aʾ"},  {0xFB00, "FF"}, {0xFB01, "FI"}, {0xFB02, "FL"}, {0xFB03, "FFI"},
      {0xFB04, "FFL"}, {0xFB05, "ST"}, {0xFB06, "ST"}, {0xFB13, "ՄՆ"}, {0xFB14, "ՄԵ"},
      {0xFB15, "ՄԻ"},  {0xFB16, "ՎՆ"}, {0xFB17, "ՄԽ"}};
  for (const auto& [letter, meaning] : kTable) {
    if (letter == c) return meaning;
  }
  return {};
}

inline std::string upper(std::string_view text) {
  spend_decoding(text.size());
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = decode_utf8(text, i);
    const std::string_view special = point.code < 0x80 ? "" : upper_of_special(point.code);
    out += special;
    if (special.empty()) {
      append_utf8(
          out, static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(point.code))));
    }
    i += point.size;
  }
  return out;
}

inline bool is_cased_letter(char32_t c) {
  const auto k = category(c);
  return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}

/// A final Σ becomes ς, İ becomes two characters.
inline std::string lower(std::string_view text) {
  spend_decoding(text.size());
  std::string out;
  bool inside = false;  // a word with cased letters
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = decode_utf8(text, i);
    i += point.size;
    if (point.code == 0x130) {
      out += "i̇";
    } else if (point.code == 0x3A3) {
      const bool more = i < text.size() && is_cased_letter(decode_utf8(text, i).code);
      out += inside && !more ? "ς" : "σ";
    } else {
      append_utf8(
          out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(point.code))));
    }
    inside = is_cased_letter(point.code);
  }
  return out;
}

/// A word's first letter: title case ("ǅ", "Ss").
inline std::string title_letter(std::string_view letter) {
  const char32_t c = decode_utf8(letter, 0).code;
  const std::string_view special = c < 0x80 ? "" : upper_of_special(c);
  if (!special.empty()) {
    const std::size_t head = decode_utf8(special, 0).size;
    return std::string(special.substr(0, head)) + lower(special.substr(head));
  }
  return to_utf8(static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))));
}

/// str.casefold().
inline std::string case_fold(std::string_view text) {
  spend_decoding(4 * text.size());
  const std::string source(text);
  utf8proc_uint8_t* folded = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(source.data()),
                   static_cast<utf8proc_ssize_t>(source.size()), &folded, UTF8PROC_CASEFOLD);
  if (size < 0) return lower(text);
  std::string out(reinterpret_cast<const char*>(folded), static_cast<std::size_t>(size));
  std::free(folded);
  return out;
}

inline std::string capitalize(std::string_view text) {
  if (text.empty()) return {};
  const std::size_t first = decode_utf8(text, 0).size;
  return title_letter(text.substr(0, first)) + lower(text.substr(first));
}

/// Every word's first letter upper case; a word starts behind anything that is no letter.
inline std::string title(std::string_view text) {
  std::string out;
  bool inside = false;
  for (const auto c : characters(text)) {
    const bool letter = is_cased_letter(decode_utf8(c, 0).code);
    out += !letter ? std::string(c) : inside ? lower(c) : title_letter(c);
    inside = letter;
  }
  return out;
}

inline std::string swap_case(std::string_view text) {
  std::string out;
  for (const auto c : characters(text)) {
    out += category(decode_utf8(c, 0).code) == UTF8PROC_CATEGORY_LU ? lower(c) : upper(c);
  }
  return out;
}

template <class Test>
bool all_characters(std::string_view text, Test&& test) {
  for (const auto c : characters(text)) {
    if (!test(decode_utf8(c, 0).code)) return false;
  }
  return !text.empty();
}

inline bool is_cased(std::string_view text, bool upper_case) {
  bool any = false;
  for (const auto c : characters(text)) {
    const auto k = category(decode_utf8(c, 0).code);
    if (k == (upper_case ? UTF8PROC_CATEGORY_LL : UTF8PROC_CATEGORY_LU) ||
        k == UTF8PROC_CATEGORY_LT) {
      return false;
    }
    any = any || k == (upper_case ? UTF8PROC_CATEGORY_LU : UTF8PROC_CATEGORY_LL);
  }
  return any;
}

/// str.istitle(): a word's first letter is upper case, its others lower case.
inline bool is_title(std::string_view text) {
  bool any = false;
  bool inside = false;
  for (const auto c : characters(text)) {
    const auto k = category(decode_utf8(c, 0).code);
    const bool large = k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LT;
    const bool small = k == UTF8PROC_CATEGORY_LL;
    if ((large && inside) || (small && !inside)) return false;
    any = any || large || small;
    inside = large || small;
  }
  return any;
}

}  // namespace posttrain::text::jinja
