// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/repetition.hpp"

#include "posttrain/rewards/verifier.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"
#include "support/timing.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(JudgesSample<Repetition>);

namespace {

double value(const Repetition& repetition, const std::string& completion) {
  return repetition(sample_of(completion)).value.value();
}

}  // namespace

TEST_CASE("the penalty is the share of n-grams that were there before") {
  CHECK(value({}, "a b c d e") == 0.0);
  CHECK(value({}, "a b c a b c") == Approx(-0.25));  // abc bca cab abc
  CHECK(value({}, "x x x x x x") == Approx(-0.75));  // 4 of xxx
  CHECK(value({.ngram = 1}, "a b a") == Approx(-1.0 / 3));
  CHECK(value({.ngram = 2, .max_penalty = -3.0}, "a b a b") == Approx(-1.0));
  CHECK(value({}, "A b\nC a  B\tc") == Approx(-0.25));
  CHECK(value({}, "Ä b c ä b c") == Approx(-0.25));
  CHECK(value({}, "a b c a b c.") == 0.0);
  CHECK(Repetition{}(sample_of("a b c a b c")).parsed == "3/4");
}

TEST_CASE("what is too short to repeat is not punished") {
  CHECK(value({}, "") == 0.0);
  CHECK(value({}, "a a") == 0.0);
  CHECK_FALSE(std::signbit(value({}, "a b c")));
}

TEST_CASE("n-grams are of token ids by option") {
  const Repetition of_ids{.ngram = 2, .of_ids = true};
  Sample sample = sample_of("text");
  CHECK(value_of(of_ids(sample)) == "n/a");
  sample.ids = {1, 2, 1, 2, 1};
  CHECK(of_ids(sample).value.value() == Approx(-0.5));
  sample.sampled = {1, 1, 0, 0, 1};  // what a tool repeats is not the model's doing
  CHECK(of_ids(sample).value.value() == 0.0);
}

TEST_CASE("bad options of Repetition are refused") {
  constexpr Repetition kDefault{};
  kDefault.validate();
  CHECK_THROWS_WITH(Repetition{.ngram = 0}.validate(),
                    "posttrain: Repetition.ngram must be at least 1");
  CHECK_THROWS_WITH(Repetition{.max_penalty = 0.5}.validate(),
                    "posttrain: Repetition.max_penalty must be at most 0");
}

TEST_CASE("an endless repetition takes little more time than its length") {
  CHECK(is_linear(
      20'000,
      [](std::size_t size) {
        std::string text;
        while (text.size() < size) text += "the same ";
        return text;
      },
      [](const std::string& text) { (void)value({}, text); }));
}
