// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/verifier.hpp"

#include <limits>

#include "rewards/samples.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

std::vector<Sample> three() { return {sample_of("a"), sample_of("bb"), sample_of("ccc")}; }

/// The values of a verifier on three samples.
template <class V>
std::string values(const V& verifier) {
  std::string text;
  for (const Verdict& verdict : verdicts(verifier, three())) text += value_of(verdict) + " ";
  return text;
}

}  // namespace

TEST_CASE("a lambda is a verifier, whichever judgement it gives") {
  CHECK(values([](const Sample& s) { return s.completion.size() > 1; }) == "0 1 1 ");
  CHECK(values([](const Sample& s) { return static_cast<float>(s.completion.size()); }) ==
        "1 2 3 ");
  CHECK(values([](const Sample& s) { return s.completion.size(); }) == "1 2 3 ");
  CHECK(values([](const Sample& s) {
          return s.completion == "a" ? std::nullopt : std::optional<float>(0.5F);
        }) == "n/a 0.5 0.5 ");
  CHECK(values([](const Sample& s) { return Verdict::of(-1.0, s.completion, ""); }) == "-1 -1 -1 ");
  CHECK(values([](Sample s) { return s.completion == "a"; }) == "1 0 0 ");
}

TEST_CASE("a verifier may judge all samples of a prompt together") {
  CHECK(values([](std::span<const Sample> group) {
          std::vector<double> ranks;
          for (std::size_t i = 0; i < group.size(); ++i) ranks.push_back(static_cast<double>(i));
          return ranks;
        }) == "0 1 2 ");
  CHECK(values([](std::span<const Sample> group) {
          return std::vector<bool>(group.size(), true);
        }) == "1 1 1 ");
  CHECK(values([](std::span<const Sample>) {
          return std::vector<std::optional<float>>{0.0F, std::nullopt, 2.0F};
        }) == "0 n/a 2 ");
  CHECK_THROWS_WITH(values([](std::span<const Sample>) { return std::vector<double>(2); }),
                    "expected 3 judgements from a verifier of groups, got 2");
}

TEST_CASE("a reward is a finite number") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(values([&](const Sample&) { return nan; }),
                    "expected a finite reward, got nan; hint: no value says that a verifier does "
                    "not apply");
  CHECK_THROWS_WITH(values([&](const Sample&) { return std::optional(nan); }),
                    Catch::Contains("expected a finite reward, got nan"));
  CHECK_THROWS_WITH(values([](const Sample&) { return Verdict::of(1.0 / 0.0, "", ""); }),
                    Catch::Contains("expected a finite reward, got inf"));
  CHECK_THROWS_WITH(
      values([](std::span<const Sample>) { return std::vector<float>(3, -1.0F / 0.0F); }),
      Catch::Contains("expected a finite reward, got -inf"));
}

TEST_CASE("a verdict that is not applicable says why") {
  const Verdict verdict = verdict_from(std::optional<double>());
  CHECK_FALSE(verdict.applicable());
  CHECK(verdict.reason == "the verifier gave no value");
  CHECK(Verdict::not_applicable("why").reason == "why");
}
