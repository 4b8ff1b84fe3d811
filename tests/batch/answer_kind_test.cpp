// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/answer_kind.hpp"

#include "posttrain/concepts/kind.hpp"
#include "support/catch.hpp"

using namespace posttrain;

static_assert(ItemKind<AnswerKind> && PacksSteps<AnswerKind> && !KeepsReference<AnswerKind>);

TEST_CASE("a judged answer counts its scored tokens and keeps its verdict", "[batch][answers]") {
  const Answer answer{{1, 2}, {{3, 4, 5}, {1.0F, 0.0F, 1.0F}, -1}, false, 7};
  CHECK(AnswerKind::tokens(answer) == 5);
  CHECK(AnswerKind::length(answer) == 5);
  CHECK(AnswerKind::counted(answer) == 2);
  for (const bool desirable : {true, false}) {
    Answer judged = answer;
    judged.desirable = desirable;
    const Answer again = AnswerKind::from_parts(AnswerKind::parts(judged));
    CHECK(again.prompt == answer.prompt);
    CHECK(again.answer.ids == answer.answer.ids);
    CHECK(again.answer.weights == answer.answer.weights);
    CHECK(again.desirable == desirable);
  }
}
