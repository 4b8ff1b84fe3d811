// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/reward_function.hpp"

#include <limits>
#include <optional>
#include <string>

#include "posttrain/rewards/numeric_answer.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using test::error_of;

namespace {

Sample answered(const std::string& completion, const std::string& answer) {
  Sample sample;
  sample.completion = completion;
  sample.answer = answer;
  return sample;
}

}  // namespace

TEST_CASE("verifiers are chosen by name", "[recipes][reward_function]") {
  CHECK(RewardFunction("numeric")(answered("It is 42.", "42")).value == 1.0);
  CHECK(RewardFunction("numeric")(answered("It is 41.", "42")).value == 0.0);
  CHECK(RewardFunction("math")(answered("\\boxed{\\frac{1}{2}}", "0.5")).value == 1.0);
  CHECK(RewardFunction("exact")(answered(" Paris ", "Paris")).value == 1.0);
  CHECK(RewardFunction("choice")(answered("(B)", "B")).value == 1.0);
  CHECK(RewardFunction(std::string("numeric")).name() == "numeric");
  CHECK(RewardFunction("numeric").description() == describe(NumericAnswer{.last_number = true}));
  CHECK(error_of([] { RewardFunction("numbers"); }) ==
        "expected a verifier's name (numeric, math, exact, choice) or something callable with a "
        "sample, got \"numbers\"");
}

TEST_CASE("an answer that cannot be judged is told at load time", "[recipes][reward_function]") {
  CHECK_FALSE(error_of([] { RewardFunction("numeric").check_answer("no number"); }).empty());
  CHECK_NOTHROW(RewardFunction("numeric").check_answer("42"));
  CHECK_NOTHROW(RewardFunction([](const Sample&) { return 1.0; }).check_answer("anything"));
}

TEST_CASE("anything callable with a sample judges", "[recipes][reward_function]") {
  const RewardFunction shorter([](const Sample& sample) { return sample.completion.size() < 3; });
  CHECK(shorter(answered("ab", "")).value == 1.0);
  CHECK(shorter(answered("abc", "")).value == 0.0);
  CHECK(shorter.name() == "verifier");
  const RewardFunction none([](const Sample&) -> std::optional<double> { return std::nullopt; });
  CHECK_FALSE(none(answered("", "")).applicable());
  const RewardFunction of_ours(NumericAnswer{.relative_tolerance = 0.1});
  CHECK(of_ours.name() == "NumericAnswer");
  CHECK(of_ours.description() == describe(NumericAnswer{.relative_tolerance = 0.1}));
  CHECK(error_of([] {
          RewardFunction([](const Sample&) { return std::numeric_limits<double>::quiet_NaN(); })(
              Sample{});
        }) ==
        "expected a finite reward, got nan; hint: no value says that a verifier does not apply");
}
