// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/pattern.hpp"

#include "posttrain/rewards/verifier.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(JudgesSample<Pattern> && !ChecksAnswers<Pattern>);

namespace {

std::string value(const Pattern& pattern, const std::string& completion, const char* answer = "") {
  return value_of(pattern(sample_of(completion, answer)));
}

}  // namespace

TEST_CASE("a pattern matches the whole completion, or a part by option") {
  CHECK(value({.pattern = R"(\d{4}-\d\d)"}, " 2025-08\n") == "1");
  CHECK(value({.pattern = R"(\d{4}-\d\d)"}, "on 2025-08") == "0");
  CHECK(value({.pattern = "a|ab"}, "ab") == "1");
  CHECK(value({.pattern = R"(\d{4}-\d\d)", .whole = false}, "on 2025-08.") == "1");
  CHECK(value({.pattern = R"(\w+)"}, "é") == "1");
  CHECK(Pattern{.pattern = "b+", .whole = false}(sample_of("abbc")).parsed == "bb");
}

TEST_CASE("the point matches line breaks unless that is turned off") {
  CHECK(value({.pattern = "<think>.*</think>.*"}, "<think>a\nb</think>\nc") == "1");
  CHECK(value({.pattern = "a.b", .dot_all = false}, "a\nb") == "0");
  CHECK(value({.pattern = "^b$", .whole = false}, "a\nb") == "0");
  CHECK(value({.pattern = "^b$", .whole = false, .multi_line = true}, "a\nb\n") == "1");
  CHECK(value({.pattern = "A", .ignore_case = true}, "a") == "1");
  CHECK(value({.pattern = "A"}, "a") == "0");
}

TEST_CASE("a group of the last match is compared with the record's answer") {
  const Pattern answer{.pattern = R"(Answer: (\w+))", .whole = false, .group = 1};
  CHECK(value(answer, "Answer: 3. No: Answer: 4.", "4") == "1");
  CHECK(value(answer, "Answer: 3. No: Answer: 4.", "3") == "0");
  CHECK(value(answer, "none", "3") == "0");
  CHECK(value(answer, "Answer: 3") == "n/a");
  CHECK(value({.pattern = "(x)?y*", .whole = false, .group = 1}, "äxä", "x") == "0");
  CHECK(value({.pattern = "(?=(b))", .whole = false, .group = 1}, "abab", "b") == "1");
  CHECK(value({.pattern = "(a*)", .group = 1}, "aaa", "aaa") == "1");
}

TEST_CASE("a completion that is no UTF-8 is matched in repaired form") {
  CHECK(value({.pattern = "a."}, "a\xFF") == "1");
}

TEST_CASE("a match beyond the limits is an error, not a zero") {
  const Pattern slow{.pattern = "(a+)+"};
  CHECK_THROWS_WITH(value(slow, std::string(40, 'a') + "b"), Catch::Contains("within its limits"));
  CHECK(value(slow, "aaa") == "1");
}

TEST_CASE("bad patterns are refused") {
  CHECK_NOTHROW(Pattern{.pattern = "a"}.validate());
  CHECK_THROWS_WITH(Pattern{}.validate(), "posttrain: Pattern.pattern must not be empty");
  CHECK_THROWS_WITH(Pattern{.pattern = "a["}.validate(), Catch::Contains("got 'a['"));
  CHECK_THROWS_WITH((Pattern{.pattern = "(a)", .group = 2}.validate()),
                    "expected Pattern.group from -1 to 1, the pattern's groups, got 2");
  CHECK_THROWS_WITH((Pattern{.pattern = "a", .match_limit = 0}.validate()),
                    "posttrain: Pattern's limits must be at least 1 and below 2^32");
}
