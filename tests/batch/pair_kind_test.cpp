// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/pair_kind.hpp"

#include "posttrain/concepts/kind.hpp"
#include "support/catch.hpp"

using namespace posttrain;

static_assert(ItemKind<PairKind> && KeepsReference<PairKind>);
static_assert(ItemKind<RewardKind> && !KeepsReference<RewardKind>);

namespace {

AnswerPair some_pair() {
  return {{1, 2, 3},
          {{4, 5}, {1.0F, 0.5F}, -1},
          {{6, 7, 8, 9}, {1.0F, 0.0F, 1.0F, 1.0F}, -1},
          0.25F,
          12};
}

}  // namespace

TEST_CASE("a shared prompt is read once, and a text's length is that of the longer answer's",
          "[batch][pairs]") {
  const AnswerPair pair = some_pair();
  CHECK(PairKind{}.tokens(pair) == 3 + 2 + 4);
  CHECK(PairKind{.share_prompts = false}.tokens(pair) == 2 * 3 + 2 + 4);
  CHECK(PairKind::length(pair) == 3 + 4);
}

TEST_CASE("a pair with nothing to score on one side compares nothing", "[batch][pairs][C3]") {
  AnswerPair pair = some_pair();
  CHECK(PairKind::counted(pair) == 2 + 3);  // the first token of an answer is scored
  pair.chosen.weights = {0.0F, 0.0F};
  CHECK(PairKind::counted(pair) == 0);
}

TEST_CASE("the parts of a pair hold all of its numbers", "[batch][pairs]") {
  const AnswerPair pair = some_pair();
  const AnswerPair again = PairKind::from_parts(PairKind::parts(pair));
  CHECK(again.prompt == pair.prompt);
  CHECK(again.chosen.ids == pair.chosen.ids);
  CHECK(again.rejected.weights == pair.rejected.weights);
  CHECK(again.margin == 0.25F);
  CHECK(PairKind::prompt_part(pair.prompt).weights == std::vector<float>(3, 0.0F));
}
