// SPDX-License-Identifier: Apache-2.0
#include "posttrain/unicode/regex.hpp"

#include <optional>
#include <string>
#include <utility>

#include "support/catch.hpp"

using posttrain::text::Regex;
using Match = std::optional<std::pair<std::size_t, std::size_t>>;

namespace {

Match find(const char* pattern, std::string_view text, std::size_t from = 0) {
  const Regex regex(pattern);
  Regex::Scratch scratch(regex);
  return regex.find(text, from, scratch);
}

}  // namespace

TEST_CASE("A match is the first at or behind a place, in bytes") {
  CHECK(find(R"(\p{L}+)", "1 äb c") == Match({2, 5}));
  CHECK(find(R"(\p{L}+)", "1 äb c", 5) == Match({6, 7}));
  CHECK(find("x*", "ab", 2) == Match({2, 2}));
  CHECK_FALSE(find("x", "ab"));
  CHECK(find(R"(\s+(?!\S))", "a  b") == Match({1, 2}));
}

TEST_CASE("A bad pattern is an error with its reason and place") {
  CHECK_THROWS_WITH(Regex("a(["), Catch::Contains("got 'a(['") && Catch::Contains(" at 3"));
}

TEST_CASE("A pattern that backtracks without end gives up with an error") {
  CHECK_THROWS_WITH(find("(a+)+$(?<!a)", std::string(5000, 'a') + "b"),
                    Catch::Contains("a pattern gave up on a text of 5001 bytes"));
}
