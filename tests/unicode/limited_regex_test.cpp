// SPDX-License-Identifier: Apache-2.0
#include "posttrain/unicode/limited_regex.hpp"

#include <string>

#include "support/catch.hpp"

using posttrain::text::LimitedRegex;

TEST_CASE("a match has the places of its groups") {
  const LimitedRegex regex(R"((\d+)|(x)(y)?)");
  CHECK(regex.groups() == 3);
  const auto match = regex.find("ä x1");
  REQUIRE(match.has_value());
  REQUIRE(match->size() == 4);
  CHECK(match->at(0)->begin == 3);
  CHECK(match->at(0)->end == 4);
  CHECK_FALSE(match->at(1).has_value());
  CHECK(match->at(2)->begin == 3);
  CHECK_FALSE(match->at(3).has_value());
  CHECK(regex.find("ä x1", 4)->at(1)->begin == 4);
  CHECK_FALSE(regex.find("none").has_value());
  CHECK(LimitedRegex(R"(^\w$)").matches("é"));
}

TEST_CASE("a pattern is PCRE2's, unlike those of tokenizers") {
  CHECK(LimitedRegex(R"(a{2}+)").matches("aa"));
  CHECK_FALSE(LimitedRegex("^b").matches("a\nb"));
  CHECK(LimitedRegex("^b", PCRE2_MULTILINE).matches("a\nb"));
  CHECK_THROWS_WITH(LimitedRegex("a("), Catch::Contains("got 'a('"));
  CHECK_THROWS_WITH(LimitedRegex(R"(\C)"), Catch::Contains("got '\\C'"));  // half a character
}

TEST_CASE("a match beyond its limits is an error that names the limit") {
  const std::string text = std::string(30, 'a') + "b";
  CHECK_THROWS_WITH(
      LimitedRegex("(a+)+$").find(text),
      "expected a pattern to match a text of 31 bytes within its limits, reached that "
      "of steps");
  CHECK_THROWS_WITH(LimitedRegex("(a+)+$", 0, {.depth = 10}).find(text),
                    Catch::Contains("reached that of depth"));
  CHECK_THROWS_WITH(LimitedRegex("(?:(a)|b)*$", 0, {.memory_kib = 20}).find(std::string(9000, 'a')),
                    Catch::Contains("reached that of memory"));
}
