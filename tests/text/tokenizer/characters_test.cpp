// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/characters.hpp"

#include "posttrain/unicode/utf8.hpp"
#include "support/catch.hpp"

using posttrain::text::CharacterClasses;

TEST_CASE("Characters have the classes that the Unicode functions give them") {
  const CharacterClasses& classes = CharacterClasses::get();
  std::size_t wrong = 0;
  for (char32_t c = 0; c < 0x40000; ++c) {
    wrong += classes.is(c, CharacterClasses::kLetter) != posttrain::text::is_letter(c);
    wrong += classes.is(c, CharacterClasses::kNumber) != posttrain::text::is_numeric(c);
    wrong += classes.is(c, CharacterClasses::kSpace) != posttrain::text::is_whitespace(c);
  }
  CHECK(wrong == 0);
  CHECK(classes.is('_', CharacterClasses::kWord));
  CHECK(classes.is(0x301, CharacterClasses::kMark));
  CHECK(classes.is('\n', CharacterClasses::kNewline));
  CHECK(classes.is('!', CharacterClasses::kPunctuation));
  CHECK(classes(0x110000) == 0);
}

TEST_CASE("Text that NFC may change is told") {
  const CharacterClasses& classes = CharacterClasses::get();
  CHECK(classes.is_nfc("plain é 你"));
  CHECK_FALSE(classes.is_nfc("e\u0301"));
  CHECK_FALSE(classes.is_nfc("\u212B"));  // the sign for angstrom becomes Å
}
