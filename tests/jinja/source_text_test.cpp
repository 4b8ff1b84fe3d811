// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/source_text.hpp"

#include <string>
#include <utility>

#include "posttrain/jinja/lexer.hpp"
#include "support/catch.hpp"
#include "support/timing.hpp"

using namespace posttrain::text::jinja;

TEST_CASE("A template's source has plain newlines, valid UTF-8 and no newline at its end") {
  CHECK(SourceText("a\r\nb\rc\n").view() == "a\nb\nc");
  CHECK(SourceText("a\xFFz").view() == "a\uFFFDz");
  const SourceText empty("");
  CHECK(empty.size() == 0);
  CHECK(empty[0] == '\0');
  CHECK(empty.from(5).empty());
}

TEST_CASE("Places are lines and columns in characters, from 1") {
  const SourceText source("äb\n\ncd");
  const auto place = [&](std::size_t at) {
    const Place found = source.place(at);
    return std::pair(found.line, found.column);
  };
  CHECK(place(0) == std::pair(1, 1));
  CHECK(place(2) == std::pair(1, 2));  // behind the two bytes of ä
  CHECK(place(4) == std::pair(2, 1));
  CHECK(place(6) == std::pair(3, 2));
  CHECK_THROWS_WITH(source.error(6, "no"), Catch::Contains("line 3, column 2: no"));
}

TEST_CASE("A template in one long line is read in linear time") {
  const auto repeated = [](std::size_t n) {
    std::string source;
    for (std::size_t i = 0; i < n; ++i) source += "ä{{1}}";
    return source;
  };
  CHECK(posttrain::test::is_linear(4000, repeated, [](const std::string& source) {
    CHECK(Lexer(source).run().back().place.column > 1000);
  }));
}
