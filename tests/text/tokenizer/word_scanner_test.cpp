// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/word_scanner.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/text/tokenizer/characters.hpp"
#include "posttrain/unicode/regex.hpp"
#include "posttrain/unicode/utf8.hpp"
#include "support/catch.hpp"

TEST_CASE("Known patterns are scanned as PCRE2 matches them") {
  using posttrain::text::WordScanner;
  // Every assigned character between letters, spaces and digits, and random mixtures. Characters
  // that only one of the two libraries knows (their Unicode versions differ) are left out.
  const posttrain::text::Regex letter(R"(\p{L})"), number(R"(\p{N})"), assigned(R"(\P{Cn})");
  const auto& classes = posttrain::text::CharacterClasses::get();
  std::vector<std::string> characters;
  for (char32_t c = 1; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::string text = posttrain::text::to_utf8(c);
    const auto is = [&](const posttrain::text::Regex& regex) {
      posttrain::text::Regex::Scratch scratch(regex);
      return regex.find(text, 0, scratch).has_value();
    };
    if (!is(assigned) || (c >= 0xF0010 && c != 0x10FFFD)) continue;
    if (is(letter) == classes.is(c, posttrain::text::CharacterClasses::kLetter) &&
        is(number) == classes.is(c, posttrain::text::CharacterClasses::kNumber)) {
      characters.push_back(text);
    }
  }
  CHECK(characters.size() > 140000);
  const std::vector<std::string> common = {
      " ", "  ",  "\n", "\r\n",   "\t", "a", "Z",  "é",   "1", "22", "'", "'s", "'LL",   "'",
      "ſ", "...", "_",  "\u3000", "你", "½", "'d", "'Ve", "r", "e",  "-", " '", "\u0301"};
  std::uint64_t state = 7;
  const auto random = [&](std::size_t size) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::size_t>(state >> 33U) % size;
  };
  for (const std::string_view pattern :
       {WordScanner::kGpt2, WordScanner::kLlama3, WordScanner::kQwen2}) {
    const auto scanner = WordScanner::for_pattern(pattern);
    REQUIRE(scanner);
    const posttrain::text::Regex regex(pattern);
    posttrain::text::Regex::Scratch scratch(regex);
    const auto agree = [&](const std::string& text) {
      for (std::size_t at = 0; at < text.size();) {
        const auto match = regex.find(text, at, scratch);
        if (!match || match->first != at || match->second != scanner->next(text, at)) {
          FAIL("at " << at << " of '" << text << '\'');
        }
        at = match->second;
      }
    };
    for (const std::string& c : characters)
      agree("a" + c + c + "a 1" + c + " " + c + "\n" + c + " \n");
    for (int i = 0; i < 20000; ++i) {
      std::string text;
      for (std::size_t k = random(20) + 1; k > 0; --k) {
        text +=
            random(4) == 0 ? characters[random(characters.size())] : common[random(common.size())];
      }
      agree(text);
    }
  }
}

TEST_CASE("An unknown pattern has no scanner") {
  CHECK_FALSE(posttrain::text::WordScanner::for_pattern(R"(\s+|\S+)"));
}
