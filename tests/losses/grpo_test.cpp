// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/grpo.hpp"

#include <algorithm>
#include <cmath>

#include "posttrain/concepts/rollout.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

static_assert(LossPolicy<Grpo> && LossPolicy<DrGrpo> && LossPolicy<Dapo>);
static_assert(EstimatesAdvantages<Grpo> && Grpo::row_local);
static_assert(LossPolicy<LitePpo> && LossPolicy<Gspo> && LossPolicy<Luspo> && LossPolicy<Gmpo>);
static_assert(LossPolicy<Cispo> && LossPolicy<Sapo> && LossPolicy<DppoTv> && LossPolicy<Rloo>);
static_assert(LossPolicy<ReinforcePlusPlus> && LossPolicy<ReinforceBaseline>);
static_assert(Cispo::row_local && Sapo::row_local && DppoTv::row_local && LitePpo::row_local);
static_assert(!Gspo::row_local && !Luspo::row_local && !Gmpo::row_local && !Rloo::row_local);
static_assert(LossPolicy<Vespo> && !Vespo::row_local);

double clipped(double w, double a, double low = 0.2, double high = 0.2) {
  return -std::min(w * a, std::clamp(w, 1.0 - low, 1.0 + high) * a);
}

/// A whole loss from the rollout itself: `weight(sample, group)` of each trained token, divided by
/// `divisor`; `left_out(sample)` are in neither.
template <class Weight>
double by_hand(const Rollout& rollout, const Advantages& advantages, const ScoreTables& tables,
               double low, double high, const Weight& weight, double divisor) {
  double sum = 0.0;
  for (std::size_t g = 0; g < rollout.groups.size(); ++g) {
    for (std::size_t s = 0; s < rollout.groups[g].samples.size(); ++s) {
      const RolloutSample& sample = rollout.groups[g].samples[s];
      if (!advantages[g][s].trained) continue;
      for (std::size_t i = 0; i < sample.ids.size(); ++i) {
        if (sample.sampled[i] == 0) continue;
        const double logp = tables.policy[sample.ids[i]].item<double>();
        sum += weight(sample) * clipped(std::exp(logp - sample.old_logps[i]),
                                        advantages[g][s].advantage[i], low, high);
      }
    }
  }
  return sum / divisor;
}

double trained_tokens(const Rollout& rollout) {
  double tokens = 0.0;
  for (const RolloutGroup& group : rollout.groups) {
    for (const RolloutSample& sample : group.samples) {
      tokens += static_cast<double>(sample.trained_tokens());
    }
  }
  return tokens;
}

template <class Loss>
double value_of(const Loss& loss, const Rollout& rollout) {
  const Advantages advantages = loss.advantages(rollout);
  return step_on(loss, ScoreTables::some(),
                 packed(items_of(loss, rollout, advantages, {0, 1, 2, 3}), {3}))
      .loss;
}

}  // namespace

TEST_CASE("GRPO is the mean over samples of their means over tokens", "[losses][grpo]") {
  const Rollout rollout = some_rollout();
  const auto expected = by_hand(
      rollout, Grpo{}.advantages(rollout), ScoreTables::some(), 0.2, 0.2,
      [](const RolloutSample& s) { return 1.0 / static_cast<double>(s.trained_tokens()); }, 11.0);
  CHECK(value_of(Grpo{}, rollout) == Approx(expected).epsilon(1e-6));
}

TEST_CASE("Dr. GRPO's divisor is the longest completion that may be, not the longest that is",
          "[losses][grpo]") {
  const Rollout rollout = some_rollout();
  const DrGrpo loss{.max_length = 64};
  const auto expected = by_hand(
      rollout, loss.advantages(rollout), ScoreTables::some(), 0.2, 0.2,
      [](const RolloutSample&) { return 1.0; }, 11.0 * 64.0);
  CHECK(value_of(loss, rollout) == Approx(expected).epsilon(1e-9));
  CHECK(value_of(DrGrpo{.max_length = 128}, rollout) == Approx(expected / 2.0).epsilon(1e-9));
  CHECK_THROWS_WITH(DrGrpo{}.validate(), Catch::Contains("positive max_length"));
  // Its advantages are differences to the mean.
  CHECK(loss.advantages(rollout)[1][1].advantage[0] == Approx(0.3));
}

TEST_CASE("DAPO counts tokens, leaves truncated samples and equal rewards out", "[losses][grpo]") {
  const Rollout rollout = some_rollout();
  const Advantages advantages = Dapo{}.advantages(rollout);
  CHECK(!advantages[2][2].trained);  // cut off
  CHECK(!advantages[2][1].trained);  // without a reward
  CHECK(!advantages[3][0].trained);  // equal rewards
  double tokens = trained_tokens(rollout);
  for (std::size_t g = 0; g < 4; ++g) {
    for (std::size_t s = 0; s < rollout.groups[g].samples.size(); ++s) {
      if (!advantages[g][s].trained) {
        tokens -= static_cast<double>(rollout.groups[g].samples[s].trained_tokens());
      }
    }
  }
  const auto expected = by_hand(
      rollout, advantages, ScoreTables::some(), 0.2, 0.28, [](const RolloutSample&) { return 1.0; },
      tokens);
  CHECK(value_of(Dapo{}, rollout) == Approx(expected).epsilon(1e-9));
}

TEST_CASE("zero-variance groups dilute the mean unless they are dropped", "[losses][grpo][C20]") {
  const Rollout rollout = some_rollout();
  Grpo keep;
  Grpo drop;
  drop.equal_rewards = EqualRewards::drop;
  // Three of the eleven samples have nothing to learn; their share of the sum is 0 either way.
  CHECK(value_of(drop, rollout) * 8.0 == Approx(value_of(keep, rollout) * 11.0).epsilon(1e-9));
}

TEST_CASE("an alias takes a reference", "[losses][grpo]") {
  using WithReference = Grpo::With<Kl>;
  static_assert(needs_reference<WithReference>() && !needs_reference<Grpo>());
  const WithReference loss{.kl = {.coefficient = 0.04}};
  CHECK(loss.normalizer == Normalizer::sequences);
  CHECK(loss.kl.estimator == KlEstimator::k3);
}

TEST_CASE("before the first update every ratio of the family is 1 to the bit",
          "[losses][grpo][C16]") {
  const auto check = [](const auto& loss) {
    loss.validate();
    check_first_update(loss);
  };
  check(Grpo{});
  check(DrGrpo{.max_length = 64});
  check(Dapo{});
  check(LitePpo{});
  check(Gspo{});
  check(Luspo{});
  check(Gmpo{});
  check(Cispo{});
  check(Sapo{});
  check(DppoTv{});
  check(Vespo{});
  check(Rloo{});
  check(ReinforcePlusPlus{});
  check(ReinforceBaseline{});
}

TEST_CASE("the family has the papers' values", "[losses][grpo]") {
  CHECK(Gspo{}.term.low == 3e-4);
  CHECK(Gspo{}.term.high == 4e-4);
  CHECK(Luspo{}.term.high == 2.5e-3);
  CHECK(Luspo{}.normalizer == Normalizer::sequence_sums);
  CHECK(Gmpo{}.ratio.low == 0.4);
  CHECK(Cispo{}.term.cap == 5.0);
  CHECK(Sapo{}.term.negative == 1.05);
  CHECK(DppoTv{}.term.high == 0.2);
  CHECK(Vespo{}.term.positive.power == 2.0);
  CHECK(Vespo{}.term.positive.decay == 3.0);
  CHECK(Vespo{}.term.negative.power == 3.0);
  CHECK(Vespo{}.term.negative.decay == 2.0);
  CHECK(Vespo{}.normalizer == Normalizer::tokens);
  CHECK(LitePpo{}.advantage.scale == AdvantageScale::batch);
  CHECK(Rloo{}.ratio.form == SequenceForm::product);
  CHECK(Rloo{}.advantage.baseline == Baseline::leave_one_out);
  CHECK(ReinforcePlusPlus{}.advantage.baseline == Baseline::none);
  CHECK(ReinforceBaseline{}.advantage.scale == AdvantageScale::tokens);
  const Rloo::With<Kl> rloo;
  rloo.validate();
  CHECK(rloo.kl.coefficient == 0.05);
  CHECK(rloo.rollout_needs().old_logps);
  const ReinforceBaseline::With<Kl> baseline;
  baseline.validate();
  CHECK(baseline.kl.estimator == KlEstimator::k2);
  CHECK(!baseline.rollout_needs().old_logps);
}
