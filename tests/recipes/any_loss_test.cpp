// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/any_loss.hpp"

#include <utility>
#include <vector>

#include "posttrain/losses/aot_pair.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/kto_pair.hpp"
#include "posttrain/losses/loss_sum.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/on_side.hpp"
#include "posttrain/losses/orpo.hpp"
#include "posttrain/losses/simpo.hpp"
#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

using Comparing = AnyLoss<Dpo, AotPair, KtoPair>;
using Free = AnyLoss<Orpo, SimPo>;

/// The chosen loss's own numbers on a step of two micro-batches.
template <class Any, class Loss>
void check_as(const Loss& loss) {
  const std::vector<AnswerPair> pairs = seven_pairs();
  const std::vector<PairBatch> step{pairs_at(pairs, {0, 1, 2}), pairs_at(pairs, {3, 4, 5, 6})};
  const ScoreTables tables = ScoreTables::some();
  check_same(step_on(Any(loss), tables, step), step_on(loss, tables, step));
  const auto with = [&](const auto& each) { return each + 0.5 * OnChosen{NextToken{}}; };
  check_same(step_on(with(Any(loss)), tables, step), step_on(with(loss), tables, step));
  CHECK(describe(Any(loss)) == describe(loss));
}

}  // namespace

TEST_CASE("a loss that is chosen at run time has the loss's own numbers", "[recipes][any_loss]") {
  check_as<Comparing>(Dpo{.beta = 0.3});
  check_as<Comparing>(AotPair{.beta = 0.3});
  check_as<Comparing>(KtoPair{.beta = 0.3});
  check_as<Free>(Orpo{.beta = 0.3});
  check_as<Free>(SimPo{.gamma = 0.2});
}

TEST_CASE("only a loss that gathers has the step scored before", "[recipes][any_loss]") {
  CHECK_FALSE(Comparing(Dpo{}).wants_statistics());
  CHECK(Comparing(AotPair{}).wants_statistics());
  CHECK(GathersStatistics<Comparing>);
  CHECK_FALSE(GathersStatistics<Free>);
  CHECK((Comparing(KtoPair{}) + 1.0 * OnChosen{NextToken{}}).wants_statistics());
  CHECK_FALSE((Comparing(Dpo{}) + 1.0 * OnChosen{NextToken{}}).wants_statistics());
  CHECK(Comparing::needs_reference);
  CHECK_FALSE(Free::needs_reference);
}

TEST_CASE("the chosen loss's values are checked", "[recipes][any_loss]") {
  CHECK_THROWS_WITH(Comparing(Dpo{.beta = -1.0}).validate(), Catch::Contains("Dpo.beta"));
  CHECK_NOTHROW(Comparing(AotPair{}).validate());
}
