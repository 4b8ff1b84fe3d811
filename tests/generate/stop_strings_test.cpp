// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/stop_strings.hpp"

#include "support/catch.hpp"

using posttrain::StopStrings;

TEST_CASE("a stop string is found across the borders of pieces", "[generate]") {
  const std::string text = "one two three";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    StopStrings stops({"o thr", "zz"});
    std::optional<StopStrings::Match> match;
    for (std::size_t at = 0; at < text.size() && !match; at += size) {
      match = stops.push(text.substr(at, size));
      // What may be shown never grows beyond where the match begins.
      CHECK((stops.settled() <= 6 || match));
    }
    REQUIRE(match);
    CHECK(match->begin == 6);
    CHECK(match->stop == "o thr");
  }
}

TEST_CASE("the first begin counts, then the longest", "[generate]") {
  StopStrings stops({"bc", "abc", "abcd"});
  const auto match = stops.push("xabcd");
  REQUIRE(match);
  CHECK(match->begin == 1);
  CHECK(match->stop == "abcd");
  StopStrings early({"bc", "abcd"});
  CHECK(early.push("xabc")->stop == "bc");  // complete before the longer one
}

TEST_CASE("a match in a piece that does not count never counts", "[generate]") {
  StopStrings stops({"ab"});
  CHECK_FALSE(stops.push("xab", false));
  CHECK_FALSE(stops.push("c"));
  CHECK(stops.push("ab")->begin == 4);
  StopStrings across({"ab"});
  CHECK_FALSE(across.push("a", false));
  CHECK(across.push("b")->begin == 0);  // complete in a piece that counts
}

TEST_CASE("text is settled up to what could become a stop string", "[generate]") {
  StopStrings stops({"</a>", "a\n"});
  stops.push("x<");
  CHECK(stops.settled() == 1);
  stops.push("/");
  CHECK(stops.settled() == 1);
  stops.push("b");
  CHECK(stops.settled() == 4);
  stops.push("a");
  CHECK(stops.settled() == 4);
  CHECK(stops.text() == "x</ba");
  StopStrings none;
  CHECK_FALSE(none.push("abc"));
  CHECK(none.settled() == 3);
}
