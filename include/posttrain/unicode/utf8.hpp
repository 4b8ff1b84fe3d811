// SPDX-License-Identifier: Apache-2.0
// UTF-8 on plain strings: decoding that never fails, encoding, repair, and the few character
// classes that tokenizers and templates ask for.
//
// Bad bytes follow the Unicode recommendation that Rust and Python share: every maximal part of a
// broken sequence becomes one U+FFFD.
#pragma once

#include <utf8proc.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace posttrain::text {

/// One decoded character: its code point and how many bytes it took. `valid` is false for a broken
/// sequence (then `code` is U+FFFD and `size` the bytes to skip).
struct CodePoint {
  char32_t code = 0;
  std::size_t size = 1;
  bool valid = true;
};

/// Decodes the character at `text[at]`; `at` < text.size().
inline CodePoint decode_utf8(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return {lead, 1, true};
  std::size_t size = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  char32_t code = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    size = 2;
    code = lead & 0x1FU;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    size = 3;
    code = lead & 0x0FU;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;  // no surrogates
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    size = 4;
    code = lead & 0x07U;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {0xFFFD, 1, false};
  }
  for (std::size_t k = 1; k < size; ++k) {
    if (at + k >= text.size() || byte(at + k) < low || byte(at + k) > high) {
      return {0xFFFD, k, false};
    }
    code = (code << 6U) | (byte(at + k) & 0x3FU);
    low = 0x80;
    high = 0xBF;
  }
  return {code, size, true};
}

inline void append_utf8(std::string& out, char32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0U | (code >> 6U));
    out += static_cast<char>(0x80U | (code & 0x3FU));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0U | (code >> 12U));
    out += static_cast<char>(0x80U | ((code >> 6U) & 0x3FU));
    out += static_cast<char>(0x80U | (code & 0x3FU));
  } else {
    out += static_cast<char>(0xF0U | (code >> 18U));
    out += static_cast<char>(0x80U | ((code >> 12U) & 0x3FU));
    out += static_cast<char>(0x80U | ((code >> 6U) & 0x3FU));
    out += static_cast<char>(0x80U | (code & 0x3FU));
  }
}

inline std::string to_utf8(char32_t code) {
  std::string out;
  append_utf8(out, code);
  return out;
}

inline bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

/// Bytes before the first that is no part of a character; all of them in UTF-8.
inline std::size_t valid_utf8_prefix(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = decode_utf8(text, i);
    if (!point.valid) return i;
    i += point.size;
  }
  return text.size();
}

inline bool is_valid_utf8(std::string_view text) { return valid_utf8_prefix(text) == text.size(); }

/// The text with every broken part replaced by U+FFFD.
inline std::string repair_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = decode_utf8(text, i);
    if (point.valid) {
      out.append(text.substr(i, point.size));
    } else {
      append_utf8(out, 0xFFFD);
    }
    i += point.size;
  }
  return out;
}

/// The Unicode property White_Space.
inline bool is_whitespace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

inline utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

/// Letters (general categories L*).
inline bool is_letter(char32_t c) {
  const auto k = category(c);
  return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

/// Numbers (general categories Nd, Nl, No).
inline bool is_numeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto k = category(c);
  return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

/// A regular expression's `\w`: letters, marks, numbers and connector punctuation.
inline bool is_word(char32_t c) {
  if (c < 0x80) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }
  const auto k = category(c);
  return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NO) || k == UTF8PROC_CATEGORY_PC;
}

/// Bytes of leading white space.
inline std::size_t leading_whitespace(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const CodePoint point = decode_utf8(text, i);
    if (!is_whitespace(point.code)) break;
    i += point.size;
  }
  return i;
}

/// Start of the character that ends at `end` (> 0).
inline std::size_t previous_character(std::string_view text, std::size_t end) {
  std::size_t i = end - 1;
  while (i > 0 && end - i < 4 && (static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U) --i;
  return i;
}

/// Bytes that two texts share at their start, cut back to a whole character.
inline std::size_t common_prefix(std::string_view a, std::string_view b) {
  const auto inside = [](std::string_view text, std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
  };
  std::size_t i = 0;
  while (i < a.size() && i < b.size() && a[i] == b[i]) ++i;
  while (i > 0 && (inside(a, i) || inside(b, i))) --i;
  return i;
}

/// Length of the text without trailing white space.
inline std::size_t trimmed_length(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0) {
    const std::size_t start = previous_character(text, end);
    if (!is_whitespace(decode_utf8(text, start).code)) break;
    end = start;
  }
  return end;
}

}  // namespace posttrain::text
