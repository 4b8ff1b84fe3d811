// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/numeric_answer.hpp"

#include <limits>

#include "posttrain/rewards/verifier.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"
#include "support/timing.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(JudgesSample<NumericAnswer> && ChecksAnswers<NumericAnswer>);

namespace {

std::string value(const NumericAnswer& numeric, const std::string& completion,
                  const std::string& answer) {
  return value_of(numeric(sample_of(completion, answer)));
}

}  // namespace

TEST_CASE("a number counts behind four number signs and in a box") {
  CHECK(value({}, "8 + 8 = 16\n#### 16", "16") == "1");
  CHECK(value({}, "#### $1,234.50\n", "1234.5") == "1");
  CHECK(value({}, "so \\boxed{16}.", "16") == "1");
  CHECK(value({}, "**#### 16**", "16") == "1");
  CHECK(value({}, "#### \\boxed{16}", "16") == "1");
  CHECK(value({}, "The answer is 16.", "16") == "0");
  CHECK(value({}, "16", "16") == "0");
  CHECK(value({}, "##### 16", "16") == "0");
  CHECK(value({}, "### 16", "16") == "0");
  CHECK(value({.hashes = false}, "#### 16", "16") == "0");
  CHECK(value({.box = false}, "\\boxed{16}", "16") == "0");
}

TEST_CASE("the last of number signs and boxes counts, without a fall-back") {
  CHECK(value({}, "\\boxed{3}\n#### 4", "4") == "1");
  CHECK(value({}, "#### 3\n\\boxed{4}", "4") == "1");
  CHECK(value({}, "#### 3\n#### 4", "4") == "1");
  CHECK(value({}, "#### 4\n#### Conclusion", "4") == "0");
  CHECK(value({}, "\\boxed{4} and \\boxed{4", "4") == "0");
  CHECK(value({}, "#### 4 apples and 3 pears", "4") == "0");
  CHECK(value({}, "\\boxed{6},\\boxed{8}", "6") == "0");
  const Verdict open = NumericAnswer{}(sample_of("\\boxed{4", "4"));
  CHECK(open.reason == "the last box does not end");
  CHECK(NumericAnswer{}(sample_of("4", "4")).reason == "neither #### nor a box");
}

TEST_CASE("the last number of a text counts by option only, and where nothing else stands") {
  const NumericAnswer last{.last_number = true};
  CHECK(value(last, "He needs 72.", "72") == "1");
  CHECK(value(last, "the total is 21", "1") == "0");
  CHECK(value(last, "the total is 21", "21") == "1");
  CHECK(value(last, "\\boxed{3}, not 4", "4") == "0");
  CHECK(value(last, "\\boxed{x}, so 4", "4") == "0");
  CHECK(value(last, "3 or 1/2", "2") == "0");
  CHECK(value(last, "48/2 = <<48/2=24>>24", "24") == "1");
}

TEST_CASE("a record's answer is a number, the end of a solution, or a box") {
  for (const char* answer : {"130000", "130,000", "$130,000",
                             "80000+50000 = <<80000+50000=130000>>"
                             "130000\n#### 130000",
                             "\\boxed{130000}", "1.3e5"}) {
    INFO(answer);
    CHECK(value({}, "#### 130000", answer) == "1");
    CHECK_NOTHROW(NumericAnswer{}.check_answer(answer));
  }
  for (const char* answer : {"", "five", "1/2", "#### ", "\\boxed{1", "16 or 17"}) {
    INFO(answer);
    CHECK(value({}, "#### 130000", answer) == "n/a");
    CHECK_THROWS_WITH(NumericAnswer{}.check_answer(answer),
                      Catch::Contains("expected a number as answer, got '"));
  }
}

TEST_CASE("numbers are compared exactly, or within a tolerance") {
  CHECK(value({}, "\\boxed{1000000000000001}", "1000000000000000") == "0");
  CHECK(value({}, "\\boxed{0.10}", ".1") == "1");
  CHECK(value({}, "\\boxed{0}", "1e-12") == "0");
  CHECK(value({}, "\\boxed{-0.0}", "0") == "1");
  CHECK(value({.absolute_tolerance = 0.1}, "\\boxed{0.4}", "0.3") == "1");
  CHECK(value({.absolute_tolerance = 0.1}, "\\boxed{0.41}", "0.3") == "0");
  CHECK(value({.relative_tolerance = 1e-3}, "\\boxed{1001}", "1000") == "1");
  CHECK(value({.relative_tolerance = 1e-3}, "\\boxed{1001.1}", "1000") == "0");
  CHECK(value({.relative_tolerance = 1e-3}, "\\boxed{0.001}", "0") == "0");
  CHECK(value({.relative_tolerance = 1e-3}, "\\boxed{-1000}", "-1000.5") == "1");
}

TEST_CASE("a percent sign divides by a hundred, and is dropped by option") {
  const NumericAnswer number{.percent_is_number = true};
  CHECK(value({}, "\\boxed{28\\%}", "28%") == "1");
  CHECK(value({}, "\\boxed{10\\%}", "0.1") == "1");
  CHECK(value({}, "\\boxed{0.2}", "20%") == "1");
  CHECK(value({}, "\\boxed{20}", "20%") == "0");
  CHECK(value({}, "\\boxed{20\\%}", "20") == "0");
  CHECK(value(number, "\\boxed{20}", "20%") == "1");
  CHECK(value(number, "\\boxed{20\\%}", "20") == "1");
  CHECK(value(number, "\\boxed{0.2}", "20%") == "1");
  CHECK(value(number, "\\boxed{0.2}", "20") == "0");
  CHECK(value(number, "\\boxed{20\\%}", "0.2%") == "0");
}

TEST_CASE("the verdict holds the number that was read") {
  const Verdict verdict = NumericAnswer{}(sample_of("#### 1,000.50 dollars", "1000"));
  CHECK(verdict.parsed == "1000.5");
  CHECK(verdict.reason == "expected 1000");
}

TEST_CASE("NumericAnswer passes over thoughts by option") {
  const NumericAnswer behind{.after_think = true};
  CHECK(value(behind, "<think>\\boxed{5}</think> \\boxed{6}", "6") == "1");
  CHECK(value(behind, "<think>\\boxed{5}", "5") == "0");
}

TEST_CASE("bad options of NumericAnswer are refused") {
  CHECK_NOTHROW(NumericAnswer{}.validate());
  CHECK_THROWS_WITH(NumericAnswer{.absolute_tolerance = -1.0}.validate(),
                    "posttrain: NumericAnswer.absolute_tolerance must be finite and at least 0");
  CHECK_THROWS_WITH(
      NumericAnswer{.relative_tolerance = std::numeric_limits<double>::quiet_NaN()}.validate(),
      "posttrain: NumericAnswer.relative_tolerance must be in [0, 1)");
  CHECK_THROWS_WITH((NumericAnswer{.hashes = false, .box = false}.validate()),
                    "posttrain: NumericAnswer needs one of hashes, box and last_number");
}

TEST_CASE("twenty thousand digits are refused at once") {
  const std::string digits(20'000, '9');
  CHECK(value({}, "\\boxed{" + digits + "}", "1") == "0");
  const auto judge = [&] { (void)NumericAnswer{}(sample_of("\\boxed{" + digits + "}", "1")); };
  CHECK(least_processor_seconds(judge) < 0.1);
}
