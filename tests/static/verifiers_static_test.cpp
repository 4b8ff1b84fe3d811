// SPDX-License-Identifier: Apache-2.0
// The concepts of rewards/verifier.hpp, fulfilled and not; every verifier of the library is one.
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/rewards/choice.hpp"
#include "posttrain/rewards/cosine_length.hpp"
#include "posttrain/rewards/exact_match.hpp"
#include "posttrain/rewards/format_tags.hpp"
#include "posttrain/rewards/json_schema.hpp"
#include "posttrain/rewards/numeric_answer.hpp"
#include "posttrain/rewards/overlong.hpp"
#include "posttrain/rewards/pattern.hpp"
#include "posttrain/rewards/repetition.hpp"
#include "posttrain/rewards/reward_sum.hpp"
#include "posttrain/rewards/tool_call.hpp"
#include "posttrain/rewards/verifier.hpp"

namespace posttrain::verifiers_test {

struct GivesVerdict {
  Verdict operator()(const Sample& sample) const;
};
struct GivesFloat {
  float operator()(const Sample& sample) const;
};
struct GivesBool {
  bool operator()(const Sample& sample) const;
};
struct GivesOptional {
  std::optional<float> operator()(const Sample& sample) const;
};
struct TakesCopy {
  double operator()(Sample sample) const;
};
struct GivesReference {
  const Verdict& operator()(const Sample& sample) const;
};
struct OfGroup {
  std::vector<float> operator()(std::span<const Sample> group) const;
};
struct OfGroupVerdicts {
  std::vector<Verdict> operator()(std::span<const Sample> group) const;
};
static_assert(JudgesSample<GivesVerdict> && JudgesSample<GivesFloat> && JudgesSample<GivesBool>);
static_assert(JudgesSample<GivesOptional> && JudgesSample<TakesCopy>);
static_assert(JudgesSample<GivesReference> && !JudgesGroup<GivesVerdict>);
static_assert(JudgesGroup<OfGroup> && JudgesGroup<OfGroupVerdicts> && !JudgesSample<OfGroup>);
static_assert(Verifier<GivesVerdict> && Verifier<OfGroup>);

struct NotConst {
  double operator()(const Sample& sample);
};
struct TakesText {
  double operator()(const std::string& text) const;
};
struct ChangesSample {
  double operator()(Sample& sample) const;
};
struct GivesNothing {
  void operator()(const Sample& sample) const;
};
struct GivesText {
  std::string operator()(const Sample& sample) const;
};
struct GivesOptionalVerdict {
  std::optional<Verdict> operator()(const Sample& sample) const;
};
struct OneForGroup {
  double operator()(std::span<const Sample> group) const;
};
struct TextsOfGroup {
  std::vector<std::string> operator()(std::span<const Sample> group) const;
};
static_assert(!Verifier<NotConst> && !Verifier<TakesText> && !Verifier<ChangesSample>);
static_assert(!Verifier<GivesNothing> && !Verifier<GivesText> && !Verifier<GivesOptionalVerdict>);
static_assert(!Verifier<OneForGroup> && !Verifier<TextsOfGroup> && !Verifier<int>);

struct Checks : GivesVerdict {
  void check_answer(std::string_view answer) const;
};
struct ChecksByBool : GivesVerdict {
  bool check_answer(std::string_view answer) const;
};
static_assert(ChecksAnswers<Checks> && !ChecksAnswers<ChecksByBool> && !ChecksAnswers<GivesFloat>);

static_assert(JudgesSample<ExactMatch> && JudgesSample<NumericAnswer> && JudgesSample<Choice>);
static_assert(JudgesSample<FormatTags> && JudgesSample<Pattern> && JudgesSample<JsonSchema>);
static_assert(JudgesSample<ToolCall> && JudgesSample<Overlong> && JudgesSample<Repetition>);
static_assert(JudgesSample<CosineLength<ExactMatch>>);
static_assert(ChecksAnswers<ExactMatch> && ChecksAnswers<NumericAnswer> && ChecksAnswers<Choice>);
static_assert(ChecksAnswers<ToolCall> && ChecksAnswers<CosineLength<ExactMatch>>);
static_assert(JudgesSample<RewardSum<ExactMatch, GivesFloat>>);
static_assert(JudgesGroup<RewardSum<ExactMatch, OfGroup>> && !JudgesSample<RewardSum<OfGroup>>);

}  // namespace posttrain::verifiers_test
