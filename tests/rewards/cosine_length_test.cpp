// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/cosine_length.hpp"

#include <limits>

#include "posttrain/rewards/exact_match.hpp"
#include "posttrain/rewards/verifier.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(JudgesSample<CosineLength<ExactMatch>> && ChecksAnswers<CosineLength<ExactMatch>>);

namespace {

const CosineLength kCosine{ExactMatch{}, {.max_length = 100}};

double value(const char* completion, std::size_t length) {
  Sample sample = sample_of(completion, "right");
  sample.ids.assign(length, 7);
  return kCosine(sample).value.value();
}

}  // namespace

TEST_CASE("a right answer is worth most where it is short, a wrong one costs most there") {
  CHECK(kCosine.lengths.value(true, 0) == Approx(1.0));
  CHECK(value("right", 50) == Approx(0.75));
  CHECK(value("right", 25) == Approx(0.5 + 0.25 * (1.0 + std::sqrt(0.5))));
  CHECK(value("right", 99) == Approx(0.5).margin(1e-3));
  CHECK(kCosine.lengths.value(false, 0) == Approx(-1.0));
  CHECK(value("wrong", 50) == Approx(-0.75));
  CHECK(value("wrong", 99) == Approx(-0.5).margin(1e-3));
}

TEST_CASE("at the longest and beyond there is one value") {
  CHECK(value("right", 100) == -1.0);
  CHECK(value("right", 150) == -1.0);
  CHECK(value("wrong", 200) == -1.0);
}

TEST_CASE("what the other verifier cannot judge is not judged, and what it read is kept") {
  Sample sample = sample_of("text");
  CHECK(value_of(kCosine(sample)) == "n/a");
  sample.ids = {1};
  CHECK(value_of(kCosine(sample)) == "n/a");
  sample.answer = "other";
  CHECK(kCosine(sample).parsed == "text");
  CHECK(kCosine(sample).reason == "wrong: another text, 1 tokens");
  CHECK_THROWS_AS(kCosine.check_answer(""), Error);
}

TEST_CASE("a lambda judges, too") {
  const CosineLength cosine{[](const Sample& s) { return s.completion == "x"; },
                            CosineLengths{.max_length = 4}};
  Sample sample = sample_of("x");
  sample.ids = {1, 2};
  CHECK(cosine(sample).value.value() == Approx(0.75));
}

TEST_CASE("bad options of CosineLength are refused") {
  CHECK_NOTHROW(kCosine.validate());
  CHECK_THROWS_WITH(CosineLength{ExactMatch{}}.validate(),
                    "posttrain: CosineLength.max_length must be set to the generation's longest");
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH((CosineLengths{.max_length = 1, .exceeded = -infinity}.validate()),
                    "posttrain: CosineLength's values must be finite");
}
