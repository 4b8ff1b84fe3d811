// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/reward_sum.hpp"

#include <limits>

#include "posttrain/rewards/exact_match.hpp"
#include "posttrain/rewards/format_tags.hpp"
#include "posttrain/rewards/numeric_answer.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

const auto kLength = [](const Sample& s) { return static_cast<double>(s.completion.size()); };
const auto kNever = [](const Sample&) { return std::optional<double>(); };
const auto kRank = [](std::span<const Sample> group) {
  std::vector<double> ranks;
  for (std::size_t i = 0; i < group.size(); ++i) ranks.push_back(static_cast<double>(i));
  return ranks;
};

}  // namespace

TEST_CASE("values are added by weights") {
  const RewardSum reward{ExactMatch{}, Weigh{kLength, 0.5, "length"}};
  static_assert(JudgesSample<decltype(reward)> && ChecksAnswers<decltype(reward)>);
  CHECK(value_of(reward(sample_of("ab", "ab"))) == "2");
  CHECK(value_of(reward(sample_of("abc", "ab"))) == "1.5");
  CHECK(reward(sample_of("ab", "ab")).reason == "ExactMatch 1, length 2");
  CHECK(reward(sample_of("ab", "ab")).parsed == "ab");
}

TEST_CASE("a value that is not applicable does not count") {
  const RewardSum reward{Weigh{kNever, 3.0}, Weigh{kLength, 0.5}};
  CHECK(value_of(reward(sample_of("abcd"))) == "2");
  CHECK(reward(sample_of("abcd")).reason == "verifier not applicable, verifier_2 4");
  CHECK(value_of(RewardSum{kNever, kNever}(sample_of("abcd"))) == "n/a");
}

TEST_CASE("a verifier of groups makes the whole one") {
  const RewardSum reward{kLength, Weigh{kRank, 10.0}, kNever};
  static_assert(JudgesGroup<decltype(reward)> && !JudgesSample<decltype(reward)>);
  static_assert(decltype(reward)::takes_group() == std::array{false, true, false});
  const std::vector<Sample> group{sample_of("a"), sample_of("bb"), sample_of("c")};
  std::string values;
  for (const Verdict& verdict : verdicts(reward, group)) values += value_of(verdict) + " ";
  CHECK(values == "1 12 21 ");
}

TEST_CASE("names are those of the types and differ") {
  const RewardSum reward{ExactMatch{}, Weigh{ExactMatch{.ignore_case = true}, 0.5}, kLength,
                         Weigh{ExactMatch{}, 1.0, "strict"}};
  CHECK(reward.names() ==
        std::vector<std::string>{"ExactMatch", "ExactMatch_2", "verifier", "strict"});
  CHECK(reward.weights() == std::array{1.0, 0.5, 1.0, 1.0});
}

TEST_CASE("options and answers of all terms are checked") {
  CHECK_NOTHROW((RewardSum{ExactMatch{}, kLength}.validate()));
  CHECK_THROWS_WITH((RewardSum{ExactMatch{}, FormatTags{.think_tag = ""}}.validate()),
                    Catch::Contains("FormatTags"));
  CHECK_THROWS_WITH((RewardSum{Weigh{kLength, std::numeric_limits<double>::infinity()}}.validate()),
                    "expected a finite weight of verifier, got inf");
  CHECK_THROWS_WITH((RewardSum{ExactMatch{}, NumericAnswer{}}.check_answer("five")),
                    Catch::Contains("expected a number as answer, got 'five'"));
  CHECK_NOTHROW((RewardSum{ExactMatch{}, NumericAnswer{}, kLength}.check_answer("5")));
}

TEST_CASE("a lambda of any type is compiled for samples only") {
  const auto generic = [](const auto& sample) { return sample.completion.size(); };
  CHECK(value_of(RewardSum{generic}(sample_of("ab"))) == "2");
}

TEST_CASE("a sum of sums is a verifier") {
  const RewardSum inner{kLength, Weigh{kLength, 2.0}};
  const RewardSum outer{Weigh{inner, 0.5}, kLength};
  CHECK(value_of(outer(sample_of("ab"))) == "5");
}
