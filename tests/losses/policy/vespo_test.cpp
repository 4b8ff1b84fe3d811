// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/vespo.hpp"

#include <cmath>

#include "posttrain/losses/grpo.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

double phi(double w, const GammaWeight& weight) {
  return std::pow(w, weight.power) * std::exp(weight.decay * (1.0 - w));
}

double phi(const PolicyNumbers& sample, const VespoTerm& term) {
  double w = 1.0;
  for (std::size_t t = 0; t < sample.size(); ++t) w *= sample.ratio(t);
  return phi(w, sample.advantage[0] >= 0.0 ? term.positive : term.negative);
}

}  // namespace

TEST_CASE("VESPO weighs log p by a soft function of the sample's ratio, without a gradient",
          "[losses][vespo]") {
  for (const VespoTerm& term :
       {VespoTerm{}, VespoTerm{.positive = {1.5, 0.5}, .negative = {1.0, 4.0}}}) {
    Vespo loss;
    loss.term = term;
    check_policy_loss(
        loss, of_tokens([term](const PolicyNumbers& now, const PolicyNumbers& held, std::size_t t) {
          return -phi(held, term) * now.advantage[t] * now.logp[t];
        }));
  }
  check_first_update(Vespo{});
}

TEST_CASE("before the first update VESPO's gradient is the policy's", "[losses][vespo]") {
  const PolicyLoss<Reinforce> plain;
  const Rollout rollout = some_rollout();
  const Advantages advantages = plain.advantages(rollout);
  auto batches = packed(items_of(plain, rollout, advantages, {0, 1, 2, 3}), {2});
  for (RolloutBatch& batch : batches) batch.old_logps = Tensor();
  const ScoreTables tables = ScoreTables::some();
  const LossAndGradient step = step_on(Vespo{}, tables, batches);
  CHECK(metric(step, "vespo/phi_seq_mean") == 1.0);
  CHECK(largest(step.gradient - step_on(plain, tables, batches).gradient) < 1e-15);
}

TEST_CASE("no ratio makes VESPO's weight large, and extreme ones make it vanish",
          "[losses][vespo]") {
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    const Tensor w = at::exp((at::arange(4001, type) - 2000.0) / 100.0);  // of ± 20
    for (const GammaWeight& weight : {VespoTerm{}.positive, VespoTerm{}.negative}) {
      const Tensor all = weight(w);
      const double most = phi(weight.power / weight.decay, weight);
      CHECK(all.max().item<double>() == Approx(most).epsilon(1e-4));
      CHECK(all[0].item<double>() < 1e-14);
      CHECK(all[4000].item<double>() == 0.0);
      CHECK(all[2000].item<double>() == 1.0);
    }
  }
  CHECK(phi(2.0 / 3.0, VespoTerm{}.positive) == Approx(1.21).epsilon(2e-3));
  CHECK(phi(1.5, VespoTerm{}.negative) == Approx(1.24).epsilon(2e-3));
}

TEST_CASE("the mean of VESPO's weight is over samples, whatever their length", "[losses][vespo]") {
  const Vespo loss;
  const Rollout rollout = some_rollout();
  const Advantages advantages = loss.advantages(rollout);
  const std::vector<RolloutItem> items = items_of(loss, rollout, advantages, {0, 1, 2, 3});
  const ScoreTables tables = ScoreTables::some();
  double sum = 0.0, samples = 0.0;
  for (const PolicyNumbers& sample : policy_numbers(items, tables)) {
    sum += phi(sample, loss.term);
    samples += 1.0;
  }
  CHECK(metric(step_on(loss, tables, packed(items, {4})), "vespo/phi_seq_mean") ==
        Approx(sum / samples).epsilon(1e-6));
}

TEST_CASE("VESPO's powers and decays are positive", "[losses][vespo]") {
  CHECK_THROWS_WITH((VespoTerm{.positive = {0.0, 3.0}}.validate()), Catch::Contains("VespoTerm"));
  CHECK_THROWS_WITH((VespoTerm{.negative = {3.0, -1.0}}.validate()), Catch::Contains("VespoTerm"));
}
