// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy_loss.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/concepts/check.hpp"
#include "posttrain/concepts/rollout.hpp"
#include "posttrain/losses/loss_sum.hpp"
#include "posttrain/losses/policy/covariance_clip.hpp"
#include "posttrain/losses/policy/sequence_ratio.hpp"
#include "support/policy_loss_check.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

// [snippet: own]
/// A term of one's own: the ratio is squashed instead of clipped.
struct Squashed {
  double width = 0.3;

  Tensor operator()(const Tensor& ratio, const Tensor&, const Tensor& advantage) const {
    return -(width * ((ratio - 1.0) / width).tanh() * advantage);
  }
};
using SquashedLoss = PolicyLoss<Squashed>;
static_assert(LossPolicy<SquashedLoss>);
// [/snippet]

static_assert(check_loss<PolicyLoss<>>() && EstimatesAdvantages<PolicyLoss<>>);
static_assert(PolicyLoss<>::row_local && !PolicyLoss<Clip, SequenceRatio>::row_local);
static_assert(!needs_reference<PolicyLoss<>>() && needs_reference<PolicyLoss<>::With<Kl>>());

double clipped(double w, double a) { return -std::min(w * a, std::clamp(w, 0.8, 1.2) * a); }

const auto kClipped = of_tokens([](const PolicyNumbers& now, const PolicyNumbers&, std::size_t t) {
  return clipped(now.ratio(t), now.advantage[t]);
});

}  // namespace

TEST_CASE("a term of one's own is a functor of ratio, log p and advantage",
          "[losses][policy_loss]") {
  check_policy_loss(SquashedLoss{},
                    of_tokens([](const PolicyNumbers& now, const PolicyNumbers&, std::size_t t) {
                      return -0.3 * std::tanh((now.ratio(t) - 1.0) / 0.3) * now.advantage[t];
                    }));
  check_first_update(SquashedLoss{});
}

TEST_CASE("the normaliser is the whole step's, whatever its split", "[losses][policy_loss][C18]") {
  for (const Normalizer normalizer :
       {Normalizer::tokens, Normalizer::sequences, Normalizer::constant, Normalizer::prompts,
        Normalizer::sequence_sums}) {
    check_policy_loss(PolicyLoss<>{.normalizer = normalizer, .max_length = 50}, kClipped);
  }
}

TEST_CASE("the entropy bonus counts tokens as the loss does", "[losses][policy_loss]") {
  const PolicyLoss<> plain{.normalizer = Normalizer::sequences};
  PolicyLoss<> bonus = plain;
  bonus.entropy_coefficient = 0.25;
  const Rollout rollout = some_rollout();
  const Advantages advantages = plain.advantages(rollout);
  const auto batches = packed(items_of(plain, rollout, advantages, {0, 1, 2, 3}), {3});
  const ScoreTables tables = ScoreTables::some();
  double sum = 0.0, count = 0.0;
  for (const RolloutBatch& batch : batches) {
    sum += (tables.scores(batch).entropy * batch.weight).sum().item<double>();
    count += batch.counted;
  }
  CHECK(step_on(bonus, tables, batches).loss ==
        Approx(step_on(plain, tables, batches).loss - 0.25 * sum / count));
  CHECK(plain.needs().entropy);
}

TEST_CASE("the bonus fades as the step's entropy rises to its target", "[losses][policy_loss]") {
  const Rollout rollout = some_rollout();
  const PolicyLoss<> plain;
  const Advantages advantages = plain.advantages(rollout);
  const auto batches = packed(items_of(plain, rollout, advantages, {0, 1, 2, 3}), {3});
  const ScoreTables tables = ScoreTables::some();
  double sum = 0.0, tokens = 0.0;
  for (const RolloutBatch& batch : batches) {
    sum += tables.scores(batch).entropy.sum().item<double>();
    tokens += static_cast<double>(batch.predictions());
  }
  const double mean = sum / tokens, before = step_on(plain, tables, batches).loss;
  const auto bonus = [&](double target) {
    PolicyLoss<> loss;
    loss.entropy_coefficient = 0.5;
    loss.entropy_target = target;
    return before - step_on(loss, tables, batches).loss;
  };
  CHECK(bonus(0.0) == Approx(0.5 * mean));
  CHECK(bonus(2.0 * mean) == Approx(0.5 * 0.5 * mean));
  CHECK(bonus(0.9 * mean) == Approx(0.0).margin(1e-12));
}

TEST_CASE("the tokens of most entropy are those of the whole step", "[losses][policy_loss]") {
  // The entropy of the tables is −log p.
  PolicyLoss<> loss;
  loss.top_entropy = 0.3;
  const Rollout rollout = some_rollout();
  const Advantages advantages = loss.advantages(rollout);
  const ScoreTables tables = ScoreTables::some();
  std::vector<double> entropies;
  for (const PolicyNumbers& sample :
       policy_numbers(items_of(loss, rollout, advantages, {0, 1, 2, 3}), tables)) {
    for (const double logp : sample.logp) entropies.push_back(-logp);
  }
  std::sort(entropies.begin(), entropies.end());
  const double place = 0.7 * static_cast<double>(entropies.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const double threshold = entropies[below] + (place - static_cast<double>(below)) *
                                                  (entropies[below + 1] - entropies[below]);
  check_policy_loss(
      loss,
      of_tokens([threshold](const PolicyNumbers& now, const PolicyNumbers& held, std::size_t t) {
        return -held.logp[t] >= threshold ? clipped(now.ratio(t), now.advantage[t]) : 0.0;
      }));
  check_first_update(loss);
}

TEST_CASE("nothing is scored before the backward pass where no option asks for it",
          "[losses][policy_loss]") {
  const RolloutBatch batch;
  std::vector<Scored<RolloutBatch>> scored;
  int asked = 0;
  scored.emplace_back(
      batch,
      [&] {
        ++asked;
        Scores scores;
        scores.logp = scores.entropy = at::zeros({4}, at::kDouble);
        return scores;
      },
      nullptr, nullptr);
  PolicyLoss<> loss;
  loss.gather(scored);
  loss.entropy_coefficient = 0.1;
  loss.gather(scored);
  CHECK(asked == 0);
  loss.top_entropy = 0.5;
  loss.gather(scored);
  CHECK(asked == 1);
}

TEST_CASE("weights by importance multiply the term, not KL", "[losses][policy_loss]") {
  using Loss = PolicyLoss<Clip, TokenRatio, Kl>;
  const Loss loss{.kl = {.coefficient = 0.5}};
  const Rollout rollout = some_rollout();
  const Advantages advantages = loss.advantages(rollout);
  auto batches = packed(items_of(loss, rollout, advantages, {0, 1, 2, 3}), {});
  const ScoreTables tables = ScoreTables::some();
  const double whole = step_on(loss, tables, batches).loss;
  const double without_kl = step_on(Loss{.kl = {.coefficient = 0.0}}, tables, batches).loss;
  batches[0].importance = at::full({batches[0].predictions()}, 0.25, at::kFloat);
  CHECK(step_on(loss, tables, batches).loss ==
        Approx(0.25 * without_kl + (whole - without_kl)).epsilon(1e-12));
}

TEST_CASE("the ratio reads the old policy's log-probabilities, and no others",
          "[losses][policy_loss]") {
  const PolicyLoss<> loss;
  const Rollout rollout = some_rollout();
  const Advantages advantages = loss.advantages(rollout);
  auto batches = packed(items_of(loss, rollout, advantages, {0, 1, 2, 3}), {});
  const ScoreTables tables = ScoreTables::some();
  const LossAndGradient before = step_on(loss, tables, batches);
  batches[0].sampled_logps = batches[0].sampled_logps - 3.0;
  ScoreTables other = tables;
  other.reference = tables.reference - 3.0;
  const LossAndGradient same = step_on(loss, other, batches);
  CHECK(same.loss == before.loss);
  CHECK(same.gradient.equal(before.gradient));
  batches[0].old_logps = batches[0].old_logps - 0.1;
  CHECK(step_on(loss, tables, batches).loss != before.loss);
}

TEST_CASE("a policy's loss is a term of a sum", "[losses][policy_loss]") {
  const PolicyLoss<> loss{.normalizer = Normalizer::sequences};
  const Rollout rollout = some_rollout();
  const Advantages advantages = loss.advantages(rollout);
  const auto batches = packed(items_of(loss, rollout, advantages, {0, 1, 2, 3}), {2});
  const ScoreTables tables = ScoreTables::some();
  const LossAndGradient one = step_on(loss, tables, batches);
  const LossAndGradient two = step_on(0.25 * loss + 0.75 * loss, tables, batches);
  CHECK(two.loss == Approx(one.loss));
}

TEST_CASE("what a loss wants of a rollout follows from its options", "[losses][policy_loss]") {
  const RolloutNeeds plain = PolicyLoss<>{}.rollout_needs();
  CHECK(plain.ratio);
  CHECK(!(plain.old_logps || plain.log_sum_sq || plain.values || plain.greedy));
  const RolloutNeeds otb = PolicyLoss<>{.advantage = {.baseline = Baseline::optimal_token,
                                                      .scale = AdvantageScale::none}}
                               .rollout_needs();
  CHECK(otb.old_logps);
  CHECK(otb.log_sum_sq);
  CHECK(PolicyLoss<>{.advantage = {.baseline = Baseline::greedy, .scale = AdvantageScale::none}}
            .rollout_needs()
            .greedy);
  CHECK(PolicyLoss<>{.importance = {.level = ImportanceLevel::token}}.rollout_needs().old_logps);
  using WithKl = PolicyLoss<>::With<Kl>;
  const RolloutNeeds reward =
      WithKl{.kl = {.estimator = KlEstimator::k1, .place = KlPlace::reward}}.rollout_needs();
  CHECK(reward.old_logps);
  const RolloutNeeds constant =
      PolicyLoss<>{.normalizer = Normalizer::constant, .max_length = 77}.rollout_needs();
  CHECK(constant.normalizer == Normalizer::constant);
  CHECK(constant.max_length == 77);
}

TEST_CASE("KL in the reward is in the advantages and not in the loss", "[losses][policy_loss]") {
  using Loss = PolicyLoss<>::With<Kl>;
  const Loss loss{
      .kl = {.coefficient = 0.3, .estimator = KlEstimator::k1, .place = KlPlace::reward},
      .advantage = {.scale = AdvantageScale::none}};
  check_policy_loss(loss, kClipped);
  const Rollout rollout = some_rollout();
  const auto sum_of = [&](const Loss& some) {
    const Advantages all = some.advantages(rollout);
    double sum = 0.0;
    for (const float a : all[0][0].advantage) sum += a;
    return sum;
  };
  Loss without = loss;
  without.kl.coefficient = 0.0;
  CHECK(sum_of(loss) != Approx(sum_of(without)));
}

TEST_CASE("options that contradict each other are refused with their names",
          "[losses][policy_loss]") {
  CHECK_THROWS_WITH((PolicyLoss<>{.normalizer = Normalizer::constant}.validate()),
                    Catch::Contains("positive max_length"));
  CHECK_THROWS_WITH(
      (PolicyLoss<>{.advantage = {.baseline = Baseline::none, .scale = AdvantageScale::none},
                    .equal_rewards = EqualRewards::drop}
           .validate()),
      Catch::Contains("baseline that compares samples"));
  CHECK_THROWS_WITH((PolicyLoss<>{.entropy_target = -1.0}.validate()),
                    Catch::Contains("entropy_target"));
  CHECK_THROWS_WITH((PolicyLoss<>{.top_entropy = 0.0}.validate()), Catch::Contains("top_entropy"));
  CHECK_THROWS_WITH((PolicyLoss<>{.importance = {.low = 2.0}}.validate()),
                    Catch::Contains("ImportanceCorrection.low"));
  CHECK_THROWS_WITH((PolicyLoss<>{.term = {.dual = 0.5}}.validate()), Catch::Contains("Clip.dual"));
  CHECK_THROWS_WITH(
      (PolicyLoss<>::With<Kl>{.kl = {.estimator = KlEstimator::k1, .place = KlPlace::reward},
                              .advantage = {.rewards = RewardMix::each}}
           .validate()),
      Catch::Contains("expected KL in the loss"));
  constexpr PolicyLoss<> kGood;
  CHECK_NOTHROW(kGood.validate());
}

TEST_CASE("a loss on policies is described with all of its fields", "[losses][policy_loss]") {
  const std::string text = describe(PolicyLoss<>{});
  CHECK_THAT(text, Catch::Contains(".term = Clip{.low = 0.2, .high = 0.2"));
  CHECK_THAT(text, Catch::Contains(".advantage = AdvantageEstimator{.baseline = mean"));
  CHECK_THAT(text, Catch::Contains(".normalizer = tokens"));
}

namespace {

/// Loss and gradients of a model, with the head in chunks of so many rows.
template <class Loss>
std::pair<double, Tensor> on_model(const Loss& loss, const models::Decoder& model,
                                   const std::vector<RolloutBatch>& host, std::int64_t chunk) {
  FullState state = Full{}.attach(model);
  const auto head = [&](const Tensor& rows) { return model.logits(state, rows); };
  std::vector<RolloutBatch> batches;
  for (const RolloutBatch& batch : host) batches.push_back(batch.to(model.device()));
  Objective<Loss> objective(loss, batches);
  std::vector<Scored<RolloutBatch>> scored;
  for (const RolloutBatch& batch : batches) {
    scored.emplace_back(
        batch,
        [&] {
          return score_predictions(head, model.hidden(state, batch), batch, needs_of(loss), chunk);
        },
        nullptr, nullptr);
  }
  objective.gather(scored);
  double value = 0.0;
  for (const RolloutBatch& batch : batches) {
    value += backward_through_head(head, model.hidden(state, batch), batch, objective,
                                   needs_of(loss), 1.0, chunk)
                 .item()
                 .toDouble();
  }
  return {value, flat_gradient(state)};
}

template <class Loss>
void check_on_model(const Loss& loss, const models::Decoder& model) {
  INFO(describe(loss));
  const Rollout rollout = some_rollout();
  const Advantages advantages = loss.advantages(rollout);
  std::vector<RolloutItem> items = items_of(loss, rollout, advantages, {0, 1, 2, 3});
  const std::pair<double, Tensor> whole = on_model(loss, model, packed(items, {}), 1000);
  CHECK(largest(whole.second) > 0.0);
  const auto same = [&](const std::vector<RolloutBatch>& batches, std::int64_t chunk) {
    const std::pair<double, Tensor> other = on_model(loss, model, batches, chunk);
    CHECK(other.first == Approx(whole.first).epsilon(1e-9).margin(1e-12));
    CHECK(relative_error(other.second, whole.second) < 1e-9);
  };
  same(packed(items, {}), 3);
  same(packed(items, {2, 5}), 4);
  // Samples of one prompt that do not follow each other read it again.
  std::vector<RolloutItem> apart;
  for (std::size_t i = 0; i < items.size(); ++i) apart.push_back(items[i * 5 % items.size()]);
  REQUIRE(packed(apart, {})[0].tokens() > packed(items, {})[0].tokens());
  same(packed(apart, {}), 1000);
}

}  // namespace

TEST_CASE("chunks of the head, packing and shared prompts change no gradient of a model",
          "[losses][policy_loss][device][C1]") {
  const models::Decoder model = tiny_model();
  check_on_model(PolicyLoss<>{.normalizer = Normalizer::sequences, .entropy_coefficient = 0.1},
                 model);
  check_on_model(PolicyLoss<Clip, SequenceRatio>{}, model);
  check_on_model(PolicyLoss<>{.top_entropy = 0.4}, model);
  check_on_model(PolicyLoss<CovarianceClip>{.term = {.share = 0.2, .low = 0.0}}, model);
}
