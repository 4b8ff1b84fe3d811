// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/truncation.hpp"

#include "posttrain/batch/answer_kind.hpp"
#include "posttrain/batch/pair_kind.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

Sequence sequence(const TokenIds& ids, float weight = 1.0F) {
  return {ids, std::vector<float>(ids.size(), weight), -1};
}

AnswerPair pair_of(const TokenIds& prompt, const TokenIds& chosen, const TokenIds& rejected) {
  return {prompt, sequence(chosen), sequence(rejected), 0.0F, -1};
}

}  // namespace

TEST_CASE("truncation of pairs made by hand [C17]", "[batch][C17]") {
  const AnswerPair original = pair_of({1, 2, 3}, {4, 5, 6, 7}, {8, 9});
  const auto cut = [&](std::int64_t limit, Truncation truncation) {
    AnswerPair pair = original;
    const bool kept = PairKind{.truncation = truncation}.truncate(pair, limit);
    return kept ? pair : AnswerPair{};
  };
  SECTION("keep_start cuts the ends of answers and leaves the prompt") {
    const AnswerPair five = cut(5, Truncation::keep_start);
    CHECK(five.prompt == TokenIds{1, 2, 3});
    CHECK(five.chosen.ids == TokenIds{4, 5});
    CHECK(five.chosen.weights.size() == 2);
    CHECK(five.rejected.ids == TokenIds{8, 9});
    const AnswerPair four = cut(4, Truncation::keep_start);
    CHECK(four.chosen.ids == TokenIds{4});
    CHECK(four.rejected.ids == TokenIds{8});
    CHECK(cut(3, Truncation::keep_start).prompt.empty());  // no room for an answer: dropped
  }
  SECTION("keep_end cuts the start of the prompt, once for both answers") {
    const AnswerPair six = cut(6, Truncation::keep_end);
    CHECK(six.prompt == TokenIds{2, 3});
    CHECK(six.chosen.ids == original.chosen.ids);
    CHECK(six.rejected.ids == original.rejected.ids);
    CHECK(cut(5, Truncation::keep_end).prompt == TokenIds{3});
    CHECK(cut(4, Truncation::keep_end).prompt.empty());  // the longer answer fills it: dropped
  }
  SECTION("single answers likewise") {
    Answer answer{{1, 2, 3}, sequence({4, 5, 6}), true, -1};
    const AnswerKind start{.truncation = Truncation::keep_start},
        end{.truncation = Truncation::keep_end};
    CHECK(start.truncate(answer, 5));
    CHECK(answer.answer.ids == TokenIds{4, 5});
    CHECK(end.truncate(answer, 4));
    CHECK(answer.prompt == TokenIds{2, 3});
    CHECK_FALSE(end.truncate(answer, 2));
  }
}

TEST_CASE("texts within the limit stay as they are, whichever end is cut", "[batch]") {
  for (const Truncation truncation : {Truncation::keep_start, Truncation::keep_end}) {
    AnswerPair pair = pair_of({1, 2, 3}, {4, 5, 6, 7}, {8, 9});
    REQUIRE(truncate_answers(pair.prompt, {&pair.chosen, &pair.rejected}, 7, truncation));
    CHECK(pair.prompt == TokenIds{1, 2, 3});
    CHECK(pair.chosen.ids == TokenIds{4, 5, 6, 7});
    CHECK(pair.rejected.ids == TokenIds{8, 9});
  }
}
