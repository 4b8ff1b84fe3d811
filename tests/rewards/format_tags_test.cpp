// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/format_tags.hpp"

#include "posttrain/rewards/verifier.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(JudgesSample<FormatTags> && !ChecksAnswers<FormatTags>);

namespace {

std::string reason(const FormatTags& format, const char* completion) {
  const Verdict verdict = format(sample_of(completion));
  return verdict.value == 1.0 ? "right" : verdict.reason;
}

}  // namespace

TEST_CASE("thoughts come first, then an answer, and nothing else") {
  CHECK(reason({}, "<think>a</think><answer>b</answer>") == "right");
  CHECK(reason({}, "<think>a\nb\n\nc</think>\n\n<answer>\nd\n</answer>\n") == "right");
  CHECK(reason({}, "<think></think><answer></answer>") == "right");
  CHECK(reason({}, "\n<think>a</think><answer>b</answer>") == "does not begin with <think>");
  CHECK(reason({}, "So <think>a</think><answer>b</answer>") == "does not begin with <think>");
  CHECK(reason({}, "<think>a</think> so <answer>b</answer>") == "text before <answer>");
  CHECK(reason({}, "<think>a</think><answer>b</answer> so") == "text behind </answer>");
  CHECK(reason({}, "<think>a</think>b") == "no <answer>");
  CHECK(reason({}, "<think>a</think><answer>b") == "no </answer>");
  CHECK(reason({}, "<think>a<answer>b</answer>") == "no </think>");
  CHECK(reason({}, "<answer>b</answer><think>a</think>") == "does not begin with <think>");
  CHECK(reason({}, "<think>a <answer>b</answer></think>") == "text before <answer>");
  CHECK(reason({}, "") == "does not begin with <think>");
  CHECK(FormatTags{}(sample_of("<think>a</think><answer> b </answer>")).parsed == "b");
}

TEST_CASE("each tag stands once") {
  CHECK(reason({}, "<think>a<think>b</think><answer>c</answer>") == "more than one <think>");
  CHECK(reason({}, "<think>a</think></think><answer>c</answer>") == "more than one </think>");
  CHECK(reason({}, "<think>a</think><answer>b</answer><answer>c</answer>") ==
        "more than one <answer>");
  CHECK(reason({}, "<think><answer>b</answer></think><answer>c</answer>") ==
        "more than one <answer>");
}

TEST_CASE("without a tag for the answer any text may follow the thoughts") {
  const FormatTags think{.answer_tag = ""};
  CHECK(reason(think, "<think>a\nb</think>\nThe answer is 4.") == "right");
  CHECK(reason(think, "<think>a</think>") == "right");
  CHECK(reason(think, "<think>a") == "no </think>");
  CHECK(reason(think, "<think>a</think> <think>b") == "more than one <think>");
  CHECK(reason(think, "a</think>b") == "does not begin with <think>");
}

TEST_CASE("a prompt may have opened the thoughts") {
  const FormatTags opened{.opened = true};
  CHECK(reason(opened, "a</think><answer>b</answer>") == "right");
  CHECK(reason(opened, "<think>a</think><answer>b</answer>") == "more than one <think>");
}

TEST_CASE("empty blocks are refused by option") {
  const FormatTags full{.non_empty = true};
  CHECK(reason(full, "<think>a</think><answer>b</answer>") == "right");
  CHECK(reason(full, "<think> \n</think><answer>b</answer>") == "empty thoughts");
  CHECK(reason(full, "<think>a</think><answer> </answer>") == "an empty answer");
  CHECK(reason({.answer_tag = "", .non_empty = true}, "<think>a</think> ") == "an empty answer");
}

TEST_CASE("tags are names of one's own") {
  const FormatTags own{.think_tag = "reasoning", .answer_tag = "final"};
  CHECK(reason(own, "<reasoning>a</reasoning><final>b</final>") == "right");
  CHECK_NOTHROW(own.validate());
  CHECK_THROWS_WITH(FormatTags{.think_tag = "<think>"}.validate(),
                    Catch::Contains("expected FormatTags' tags as names, got '<think>'"));
  CHECK_THROWS_WITH(FormatTags{.think_tag = ""}.validate(), Catch::Contains("got ''"));
  CHECK_THROWS_WITH(FormatTags{.think_tag = "answer"}.validate(),
                    "posttrain: FormatTags.think_tag and answer_tag must differ");
}
