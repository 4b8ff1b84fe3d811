// SPDX-License-Identifier: Apache-2.0
// What docs/concepts.md and docs/verifiers.md show, compiled and run.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "posttrain/rewards/choice.hpp"
#include "posttrain/rewards/command.hpp"
#include "posttrain/rewards/cosine_length.hpp"
#include "posttrain/rewards/exact_match.hpp"
#include "posttrain/rewards/format_tags.hpp"
#include "posttrain/rewards/json_schema.hpp"
#include "posttrain/rewards/numeric_answer.hpp"
#include "posttrain/rewards/overlong.hpp"
#include "posttrain/rewards/pattern.hpp"
#include "posttrain/rewards/pool.hpp"
#include "posttrain/rewards/repetition.hpp"
#include "posttrain/rewards/reward_sum.hpp"
#include "posttrain/rewards/tool_call.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

// [snippet: verifiers]
/// 1 where the completion names a city of the record's column `cities`; a record without that
/// column is not judged.
struct NamesCity {
  Verdict operator()(const Sample& sample) const {
    if (!sample.record || !sample.record->contains("cities")) {
      return Verdict::not_applicable("no column cities");
    }
    for (const std::string city : sample.record->at("cities")) {
      if (sample.completion.find(city) != std::string::npos) {
        return Verdict::of(1.0, city, "a city of the record");
      }
    }
    return Verdict::of(0.0, "", "no city of the record");
  }
};

/// Within a group, the share of answers that are longer.
struct Brevity {
  std::vector<double> operator()(std::span<const Sample> group) const {
    std::vector<double> shares;
    for (const Sample& sample : group) {
      const auto longer = std::count_if(group.begin(), group.end(), [&](const Sample& other) {
        return other.ids.size() > sample.ids.size();
      });
      shares.push_back(static_cast<double>(longer) / static_cast<double>(group.size()));
    }
    return shares;
  }
};

const auto ended = [](const Sample& sample) { return sample.finish != FinishReason::length; };

static_assert(JudgesSample<NamesCity> && JudgesGroup<Brevity> && JudgesSample<decltype(ended)>);
// [/snippet]

}  // namespace

TEST_CASE("verifiers of one's own judge a sample, a group, or are a lambda") {
  Sample rome = sample_of("I love Rome.");
  CHECK(value_of(NamesCity{}(rome)) == "n/a");
  rome.record = std::make_shared<const Json>(Json{{"cities", {"Paris", "Rome"}}});
  CHECK(NamesCity{}(rome).parsed == "Rome");
  Sample none = rome;
  none.completion = "London";
  none.ids = {1, 2};
  none.finish = FinishReason::length;
  CHECK(value_of(NamesCity{}(none)) == "0");
  CHECK(Brevity{}(std::vector{rome, none}) == std::vector{0.5, 0.0});
  CHECK(ended(rome));
  CHECK_FALSE(ended(none));
}

TEST_CASE("options are fields, and a sum by weights is a verifier") {
  // [snippet: composition]
  const RewardSum reward{
      NumericAnswer{.last_number = true, .percent_is_number = true},  // weight 1
      Weigh{FormatTags{}, 0.2},
      Weigh{Overlong{.max_length = 2048, .buffer = 512}, 0.5},
      Weigh{[](const Sample& sample) { return sample.finish != FinishReason::length; }, 0.1,
            "ended"},
  };
  reward.validate();               // bad options are an error with their names
  reward.check_answer("#### 42");  // so is an answer that a term cannot judge

  Sample sample;
  sample.completion = "<think>6 · 7</think>\n<answer>\\boxed{42}</answer>";
  sample.answer = "#### 42";
  sample.ids = TokenIds(1792, 0);
  const Verdict verdict = reward(sample);
  // verdict.reason: "NumericAnswer 1, FormatTags 1, Overlong -0.5, ended 1"
  // [/snippet]
  CHECK(verdict.value.value() == Approx(1.0 + 0.2 - 0.25 + 0.1));
  CHECK(verdict.reason == "NumericAnswer 1, FormatTags 1, Overlong -0.5, ended 1");
}

TEST_CASE("a pool judges samples as they finish") {
  const std::vector<Sample> finished{sample_of("A", "A"), sample_of("B", "A"), sample_of("C", "x"),
                                     sample_of("A", "A")};
  // [snippet: pool]
  VerifierPool pool{RewardSum{Choice{}, Weigh{Brevity{}, 0.1}},
                    {.threads = 2, .timeout = 5.0, .on_error = OnError::not_applicable}};
  pool.begin(/*samples=*/4, /*group_size=*/2);
  for (const std::size_t i : {2, 0, 3, 1}) {  // in the order in which they finish
    pool.add(i, finished[i]);
  }
  const Verified verified = pool.finish();
  for (const VerifierFailure& failure : verified.failures) {
    fmt::print("{} on sample {}: {}\n", failure.verifier, failure.sample, failure.what);
  }
  const double right = verified.totals[0].mean();  // of those that have an answer
  // verified.rewards[i] and verified.verdicts[i][verifier] belong to sample i
  // [/snippet]
  CHECK(right == Approx(2.0 / 3));
  CHECK(verified.rewards[1].value == 0.0);
  CHECK_FALSE(verified.verdicts[2][0].applicable());
}

TEST_CASE("a program judges") {
  // [snippet: command]
  const Command tests{
      .program = {"/bin/sh"},  // "/usr/bin/python3", "-I", "-" for Python
      .fenced = true,          // the last block between ``` of the completion
      .timeout = 2.0,
      .memory_mib = 512,
  };
  Sample sample;
  sample.completion = "This prints 7:\n```sh\ntest $((3 + 4)) = 7\n```\n";
  const Verdict verdict = tests(sample);
  // verdict.reason: "exit status 0; held: pids, network, files, ipc, user, processes"
  // [/snippet]
  CHECK(verdict.value == 1.0);
  CHECK_THAT(verdict.reason, Catch::StartsWith("exit status 0; held: "));
}

TEST_CASE("a length is worth more where the answer is wrong") {
  // [snippet: lengths]
  const CosineLength cosine{NumericAnswer{}, {.max_length = 4096}};
  const Repetition repetition{.ngram = 4, .max_penalty = -0.5};
  // [/snippet]
  CHECK_NOTHROW(cosine.validate());
  CHECK(value_of(repetition(sample_of("a b c d"))) == "0");
}

TEST_CASE("formats are tags, patterns and schemas") {
  // [snippet: formats]
  const FormatTags thoughts{.answer_tag = "", .opened = true};  // the prompt ends in <think>
  const Pattern date{.pattern = R"(\d{4}-\d\d-\d\d)"};
  const Pattern answer{.pattern = R"(Answer: (\w+))", .whole = false, .group = 1};
  const JsonSchema person{.schema = R"({"type": "object", "required": ["name"],
                                        "properties": {"name": {"type": "string"}}})"};
  // [/snippet]
  CHECK(value_of(thoughts(sample_of("a</think>b"))) == "1");
  CHECK(value_of(date(sample_of("2025-08-22"))) == "1");
  CHECK(value_of(answer(sample_of("Answer: x", "x"))) == "1");
  CHECK(value_of(person(sample_of(R"({"name": "Ada"})"))) == "1");
}
