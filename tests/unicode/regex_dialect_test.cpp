// SPDX-License-Identifier: Apache-2.0
#include "posttrain/unicode/regex_dialect.hpp"

#include <string>
#include <utility>

#include "posttrain/unicode/regex.hpp"
#include "support/catch.hpp"

using posttrain::text::Regex;
using posttrain::text::RegexDialect;

namespace {

bool matches(const std::string& pattern, std::string_view text) {
  const Regex regex(pattern);
  Regex::Scratch scratch(regex);
  return regex.find(text, 0, scratch) == std::pair(std::size_t{0}, text.size());
}

}  // namespace

TEST_CASE("Classes mean what they mean in Oniguruma") {
  CHECK(matches(R"(\s)", "\u0085"));
  CHECK_FALSE(matches(R"(\s)", "\u180e"));
  CHECK(matches(R"(\w+)", "a\u0301_²"));
  CHECK_FALSE(matches(R"(\w)", "-"));
  CHECK(matches(R"(\h+)", "1fA"));
  CHECK_FALSE(matches(R"(\h)", "g"));
  CHECK(matches(R"([\s\d]+)", "1 2"));
  CHECK(matches(R"([^\s\p{L}]+)", "1!"));
}

TEST_CASE("Intervals are quantified as in Oniguruma") {
  CHECK(matches(R"(\p{N}{1,3}+)", "123456"));
  CHECK(matches("a{1,2}+a", "aaaa"));  // not possessive
  CHECK(matches("(?:ab){1,2}+c", "abababc"));
  CHECK(matches("[0-9]{2}+", "1234"));
  CHECK(matches("ä{2}+", "ääää"));
  CHECK(matches("xa{2}?", "xaa"));  // optional, not lazy
  CHECK(matches("xa{2}?", "x"));
  CHECK(matches("a{1,2}?", "a"));  // lazy
  CHECK(matches("xa{,2}", "xaa"));
  CHECK(matches("a{,}", "a{,}"));
  CHECK(matches("a{x}", "a{x}"));
  CHECK(matches(R"(\x{61}{2})", "aa"));
  CHECK(RegexDialect(R"(\p{L}++\p{N}{1,3}(?i:s)?)").rewritten() == R"(\p{L}++\p{N}{1,3}(?i:s)?)");
}

TEST_CASE("Classes may not nest so deep that reading them overflows the stack") {
  CHECK_THROWS_WITH(RegexDialect(std::string(15'000, '[')).rewritten(),
                    Catch::Contains("nest at most 100 deep"));
}

TEST_CASE("A pattern has a largest size") {
  CHECK(matches(std::string(10'000, 'a'), std::string(10'000, 'a')));
  CHECK_THROWS_WITH(RegexDialect(std::string(100'000, 'a')),
                    Catch::Contains("at most 20000 bytes, got 100000"));
}

TEST_CASE("Classes within classes are intersected") {
  CHECK(matches("[a-z&&[^aeiou]]+", "xyz"));
  CHECK_FALSE(matches("[a-z&&[^aeiou]]", "a"));
  CHECK(matches("[^a-z&&[^aeiou]]", "a"));
  CHECK(RegexDialect("[ab]c").rewritten() == "[ab]c");
}

TEST_CASE("Flag m lets the dot match a newline, as in Ruby") {
  CHECK(matches("(?m)a.b", "a\nb"));
  CHECK_FALSE(matches("a.b", "a\nb"));
  CHECK(matches("(?i:AB)c", "abc"));
}
