// SPDX-License-Identifier: Apache-2.0
#include "posttrain/concepts/kind.hpp"

#include "posttrain/batch/pair_kind.hpp"
#include "posttrain/batch/step_kind.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

struct NoParts : PairKind {
  static std::vector<Sequence> parts(const AnswerPair&) = delete;
};
struct LengthOfText : PairKind {
  static const char* length(const AnswerPair&) { return ""; }
};

}  // namespace

static_assert(ItemKind<PairKind> && !ItemKind<NoParts> && !ItemKind<LengthOfText>);
static_assert(!ItemKind<Sequence>);

TEST_CASE("the hash of an item tells its parts and its numbers", "[kinds]") {
  const auto hash = [](const auto& kind, const auto& item) {
    ContentHash hash;
    add_content(hash, kind, item);
    return hash.value();
  };
  const AnswerPair pair{{1, 2}, {{3}, {1.0F}, -1}, {{4}, {1.0F}, -1}, 0.0F, 1};
  const auto own = hash(PairKind{}, pair);
  AnswerPair other = pair;
  other.sample = 2;  // where it came from is not its content
  CHECK(hash(PairKind{}, other) == own);
  other.margin = 0.5F;
  CHECK(hash(PairKind{}, other) != own);
  other = pair;
  other.prompt = {1};
  other.chosen.ids = {2, 3};
  other.chosen.weights = {0.0F, 1.0F};
  CHECK(hash(PairKind{}, other) != own);  // the same tokens, cut elsewhere
  const SteppedSolution two{{}, {{1}, {2}}, {1.0F, 1.0F}, 0}, one{{}, {{1, 2}}, {1.0F}, 0};
  CHECK(hash(StepKind{}, two) != hash(StepKind{}, one));
}
