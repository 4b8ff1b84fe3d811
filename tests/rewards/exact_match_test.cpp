// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/exact_match.hpp"

#include "posttrain/rewards/verifier.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(JudgesSample<ExactMatch> && ChecksAnswers<ExactMatch>);

namespace {

std::string value(const ExactMatch& match, const char* completion, const char* answer) {
  return value_of(match(sample_of(completion, answer)));
}

}  // namespace

TEST_CASE("an exact match is the whole text, white space at its ends apart") {
  CHECK(value({}, "Paris", "Paris") == "1");
  CHECK(value({}, "\n Paris\u00A0", "Paris ") == "1");
  CHECK(value({}, "The answer is Paris", "Paris") == "0");
  CHECK(value({}, "21", "1") == "0");
  CHECK(value({}, "paris", "Paris") == "0");
  CHECK(value({}, "４２", "42") == "0");
  CHECK(value({}, "", "Paris") == "0");
  CHECK(value({.trim = false}, "Paris ", "Paris") == "0");
}

TEST_CASE("case and compatible characters are left out by option") {
  CHECK(value({.ignore_case = true}, "STRASSE", "Straße") == "1");
  CHECK(value({.ignore_case = true}, "４", "4") == "0");
  CHECK(value({.nfkc = true}, "４２ ﬁnes", "42 fines") == "1");
  CHECK(value({.nfkc = true}, "cafe\u0301", "café") == "1");
  CHECK(value({.nfkc = true}, "Fines", "fines") == "0");
  CHECK(value({.ignore_case = true, .nfkc = true}, "ＦＩＮＥＳ", "fines") == "1");
}

TEST_CASE("the verdict says what was compared") {
  const Verdict verdict = ExactMatch{.ignore_case = true}(sample_of(" Rome ", "Paris"));
  CHECK(verdict.parsed == "rome");
  CHECK(verdict.reason == "another text");
}

TEST_CASE("a record without an answer is not judged") {
  CHECK(value({}, "", "") == "n/a");
  CHECK(value({}, "a", " \n") == "n/a");
  CHECK(value({.trim = false}, " ", " ") == "1");
  CHECK_THROWS_WITH(ExactMatch{}.check_answer(" "), "expected an answer, got an empty text");
  CHECK_NOTHROW(ExactMatch{}.check_answer("a"));
}

TEST_CASE("thoughts that never end hold no answer") {
  const ExactMatch behind{.after_think = true};
  CHECK(value(behind, "<think>Rome?</think>\nParis", "Paris") == "1");
  CHECK(value(behind, "Paris", "Paris") == "0");
}
