// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/text/characters.hpp"

#include "support/catch.hpp"

using namespace posttrain::rewards::detail;

TEST_CASE("Bytes beyond ASCII belong to words, and ~ is a blank") {
  for (int c = 0; c < 256; ++c) {
    const char byte = static_cast<char>(c);
    const int kinds = int{is_digit(byte)} + int{is_word_byte(byte)} + int{is_blank(byte)};
    REQUIRE(kinds <= 1);
    REQUIRE(is_word_byte(byte) == (is_ascii_letter(byte) || c >= 128));
  }
  CHECK(is_blank('~'));
  CHECK(is_digit('0'));
  CHECK_FALSE(is_digit('a'));
}
