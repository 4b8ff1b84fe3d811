// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/gae.hpp"

#include <cmath>
#include <optional>
#include <vector>

#include "posttrain/losses/policy/advantage.hpp"
#include "posttrain/losses/policy/kl.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

const std::vector<double> kValues{0.5, -0.25, 0.75, 0.125, 1.5};

/// A sample of five sampled ids with what a tool said between the second and the third and behind
/// the last, whose numbers would be seen if anyone read them.
RolloutSample spoken(std::optional<double> reward) {
  RolloutSample sample;
  sample.ids = {3, 4, 90, 91, 5, 6, 7, 92};
  sample.sampled = {1, 1, 0, 0, 1, 1, 1, 0};
  sample.values = {0.5F, -0.25F, 1e6F, 1e6F, 0.75F, 0.125F, 1.5F, 1e6F};
  sample.reward = reward;
  return sample;
}

Rollout rollout_of(const std::vector<RolloutSample>& samples) {
  Rollout rollout;
  rollout.groups.push_back({{1}, 7, samples, {}});
  return rollout;
}

Advantages estimated(const Rollout& rollout, const Gae& gae, const Kl* penalty = nullptr) {
  gae.validate();
  Advantages all = blank_advantages(rollout);
  estimate_gae(rollout, gae, penalty, all);
  return all;
}

/// Numbers of the sampled ids; those of others are zero.
std::vector<double> of_tokens(const RolloutSample& sample, const std::vector<float>& of_ids) {
  REQUIRE(of_ids.size() == sample.ids.size());
  std::vector<double> all;
  for (std::size_t i = 0; i < of_ids.size(); ++i) {
    if (sample.sampled[i] != 0)
      all.push_back(of_ids[i]);
    else
      CHECK(of_ids[i] == 0.0F);
  }
  return all;
}

/// The definition: Σ_k (γλ)^k δ_{t+k}.
double advantage_at(std::size_t t, const std::vector<double>& rewards, const Gae& gae) {
  double sum = 0.0, weight = 1.0;
  for (std::size_t k = t; k < rewards.size(); ++k) {
    const double next = k + 1 < rewards.size() ? kValues[k + 1] : 0.0;
    sum += weight * (rewards[k] + gae.gamma * next - kValues[k]);
    weight *= gae.gamma * gae.lambda;
  }
  return sum;
}

void check_definition(const Rollout& rollout, const std::vector<double>& rewards, const Gae& gae,
                      const Kl* penalty = nullptr) {
  const RolloutSample& sample = rollout.groups[0].samples[0];
  const Advantages all = estimated(rollout, gae, penalty);
  const auto advantages = of_tokens(sample, all[0][0].advantage);
  const auto returns = of_tokens(sample, all[0][0].returns);
  for (std::size_t t = 0; t < rewards.size(); ++t) {
    const double expected = advantage_at(t, rewards, gae);
    CHECK(advantages[t] == Approx(expected).margin(1e-6));
    CHECK(returns[t] == Approx(expected + kValues[t]).margin(1e-6));
  }
}

}  // namespace

TEST_CASE("Advantages by a critic are sums of its errors, over what a tool said",
          "[losses][gae][C21]") {
  const Rollout rollout = rollout_of({spoken(2.0)});
  for (const Gae& gae : {Gae{1.0, 0.95, false}, Gae{0.9, 0.5, false}, Gae{1.0, 0.0, false}}) {
    check_definition(rollout, {0, 0, 0, 0, 2.0}, gae);
  }
}

TEST_CASE("With λ = 1 the returns are the rewards that came, whatever the critic says",
          "[losses][gae]") {
  const Rollout rollout = rollout_of({spoken(2.0)});
  const Advantages all = estimated(rollout, {0.5, 1.0, false});
  const auto returns = of_tokens(rollout.groups[0].samples[0], all[0][0].returns);
  for (std::size_t t = 0; t < returns.size(); ++t) {
    CHECK(returns[t] == Approx(2.0 * std::pow(0.5, 4.0 - static_cast<double>(t))));
  }
}

TEST_CASE("A penalty is taken from the reward of each sampled token", "[losses][gae]") {
  RolloutSample sample = spoken(2.0);
  sample.old_logps = {-1, -2, 9, 9, -3, -1, -2, 9};
  sample.ref_logps = {-1.5, -1, 7, 7, -3, -2, -2.5, 7};
  const Kl kl{0.1, KlEstimator::k1, KlPlace::reward};
  check_definition(rollout_of({sample}), {-0.05, 0.1, 0.0, -0.1, 2.0 - 0.05}, {0.9, 0.8, false},
                   &kl);
}

TEST_CASE("Whitening is over the sampled tokens of the whole rollout, and leaves returns",
          "[losses][gae]") {
  const Rollout rollout = rollout_of({spoken(2.0), spoken(-1.0), spoken(std::nullopt)});
  const Advantages plain = estimated(rollout, {1.0, 0.95, false}), white = estimated(rollout, {});
  double sum = 0.0, squares = 0.0;
  for (std::size_t s = 0; s < 2; ++s) {
    CHECK(white[0][s].returns == plain[0][s].returns);
    for (const double a : of_tokens(rollout.groups[0].samples[s], white[0][s].advantage)) {
      sum += a;
      squares += a * a;
    }
  }
  CHECK(sum == Approx(0.0).margin(1e-5));
  CHECK(squares / 9.0 == Approx(1.0).epsilon(1e-5));
  // Without a reward there is nothing to learn, for the critic neither.
  const RolloutSample& unscored = rollout.groups[0].samples[2];
  CHECK(of_tokens(unscored, white[0][2].advantage) == std::vector<double>(5, 0.0));
  CHECK(of_tokens(unscored, white[0][2].returns) == kValues);
}

TEST_CASE("Advantages that are all the same are whitened to 0", "[losses][gae]") {
  RolloutSample sample = spoken(0.1 + 0.2);
  sample.values.assign(8, 0.0F);
  const Rollout rollout = rollout_of({sample, sample});
  const Advantages all = estimated(rollout, {1.0, 1.0, true});
  for (const SampleAdvantage& each : all[0]) {
    for (const float a : each.advantage) CHECK(a == 0.0F);
  }
}

TEST_CASE("A sample without a critic's values is an error", "[losses][gae]") {
  RolloutSample sample = spoken(1.0);
  sample.values.clear();
  CHECK_THROWS_WITH(estimated(rollout_of({sample}), {}),
                    Catch::Contains("prompt 7: advantages need a critic's value of each id"));
  CHECK_THROWS_WITH((Gae{.gamma = 0.0}.validate()), Catch::Contains("gamma"));
  CHECK_THROWS_WITH((Gae{.lambda = 1.5}.validate()), Catch::Contains("lambda"));
}
