// SPDX-License-Identifier: Apache-2.0
#include "posttrain/unicode/utf8.hpp"

#include <string>

#include "support/catch.hpp"

using namespace posttrain::text;

TEST_CASE("Every code point is encoded and decoded") {
  std::size_t wrong = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::string text = to_utf8(c);
    const CodePoint point = decode_utf8(text, 0);
    wrong += !point.valid || point.code != c || point.size != text.size();
  }
  CHECK(wrong == 0);
}

TEST_CASE("A broken sequence becomes one U+FFFD for each maximal part") {
  CHECK(repair_utf8("a\xff\xe4\xb8\xc0\xaf\xf0\x9f\x8c") == "a\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD");
  CHECK(repair_utf8("\xe4\xb8x") == "\uFFFDx");
  CHECK(repair_utf8("\xed\xa0\x80") == "\uFFFD\uFFFD\uFFFD");  // a surrogate
  CHECK(repair_utf8("\xf4\x90\x80\x80").size() == 12);         // beyond Unicode
  CHECK(is_valid_utf8("é你🌍"));
  CHECK_FALSE(is_valid_utf8("\xc3"));
  CHECK(is_ascii("a~\x01"));
  CHECK_FALSE(is_ascii("é"));
}

TEST_CASE("White space is trimmed by characters") {
  CHECK(leading_whitespace(" \u3000\ta") == 5);
  CHECK(trimmed_length("a \u3000\n") == 1);
  CHECK(trimmed_length(" \u00a0") == 0);
  CHECK(previous_character("aé", 3) == 1);
  CHECK_FALSE(is_whitespace(0x200B));
}

TEST_CASE("A common prefix ends between characters") {
  CHECK(common_prefix("abc", "abd") == 2);
  CHECK(common_prefix("aé", "aè") == 1);  // both start with the byte C3
  CHECK(common_prefix("aé", "aé") == 3);
  CHECK(common_prefix("a", "aé") == 1);
  CHECK(common_prefix("", "x") == 0);
}

TEST_CASE("Letters, numbers and words") {
  CHECK(is_letter(U'ß'));
  CHECK_FALSE(is_letter(U'½'));
  CHECK(is_numeric(U'½'));
  CHECK(is_word(U'_'));
  CHECK(is_word(0x301));
  CHECK_FALSE(is_word('-'));
}
