// SPDX-License-Identifier: Apache-2.0
// Classes of characters in answers; bytes beyond ASCII are parts of words.
#pragma once

namespace posttrain::rewards::detail {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline bool is_word_byte(char c) {
  return is_ascii_letter(c) || static_cast<unsigned char>(c) >= 0x80;
}
/// White space, and the ~ that is one in LaTeX.
inline bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v' || c == '~';
}

}  // namespace posttrain::rewards::detail
