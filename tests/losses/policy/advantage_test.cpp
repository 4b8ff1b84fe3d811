// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/advantage.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include "posttrain/losses/policy/kl.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

using Rewards = std::vector<std::vector<std::optional<double>>>;

/// Samples of these rewards, the i-th of a group of i + 2 trained tokens with one that was not
/// sampled between them.
Rollout rollout_of(const Rewards& rewards) {
  Rollout rollout;
  rollout.verifiers = {"right"};
  rollout.verifier_weights = {1.0};
  for (const auto& of_group : rewards) {
    RolloutGroup group;
    group.prompt = {1};
    group.sample = static_cast<std::int64_t>(rollout.groups.size());
    for (std::size_t i = 0; i < of_group.size(); ++i) {
      RolloutSample sample;
      sample.ids.assign(i + 3, 7);
      sample.sampled.assign(i + 3, 1);
      sample.sampled[1] = 0;
      sample.reward = of_group[i];
      sample.scores = {of_group[i]};
      group.samples.push_back(std::move(sample));
    }
    rollout.groups.push_back(std::move(group));
  }
  return rollout;
}

Advantages estimated(const Rollout& rollout, const AdvantageEstimator& estimator,
                     const Kl* penalty = nullptr, EqualRewards equal = EqualRewards::keep) {
  estimator.validate();
  Advantages all = blank_advantages(rollout);
  estimate_advantages(rollout, estimator, penalty, equal, all);
  return all;
}

/// The advantage of each sample of a group, which its trained tokens share; others have 0.
std::vector<double> of_samples(const Rollout& rollout, const Advantages& advantages,
                               std::size_t group = 0) {
  std::vector<double> all;
  for (std::size_t s = 0; s < advantages.at(group).size(); ++s) {
    const RolloutSample& sample = rollout.groups[group].samples[s];
    const std::vector<float>& tokens = advantages[group][s].advantage;
    REQUIRE(tokens.size() == sample.ids.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      CHECK(tokens[i] == (sample.sampled[i] != 0 ? tokens[0] : 0.0F));
    }
    all.push_back(tokens[0]);
  }
  return all;
}

void check_near(const std::vector<double>& values, const std::vector<double>& expected) {
  REQUIRE(values.size() == expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    CHECK(values[i] == Approx(expected[i]).margin(1e-7));
  }
}

double deviation(const std::vector<double>& values) {
  const double mean =
      std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  double sum = 0.0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

const Rewards kRewards{{1.0, 0.0, 0.5, 0.1}, {0.3, 0.9}};

}  // namespace

TEST_CASE("advantages of a group are the closed forms of their estimators", "[losses][advantage]") {
  const Rollout rollout = rollout_of(kRewards);
  const double s = deviation({1.0, 0.0, 0.5, 0.1}) + 1e-4;
  const auto of = [&](const AdvantageEstimator& estimator) {
    return of_samples(rollout, estimated(rollout, estimator));
  };
  check_near(of({}), {0.6 / s, -0.4 / s, 0.1 / s, -0.3 / s});
  check_near(of({.scale = AdvantageScale::none}), {0.6, -0.4, 0.1, -0.3});
  const double all = deviation({1.0, 0.0, 0.5, 0.1, 0.3, 0.9}) + 1e-4;
  check_near(of({.scale = AdvantageScale::batch}), {0.6 / all, -0.4 / all, 0.1 / all, -0.3 / all});
  check_near(of({.baseline = Baseline::leave_one_out, .scale = AdvantageScale::none}),
             {1.0 - 0.2, 0.0 - 1.6 / 3.0, 0.5 - 1.1 / 3.0, 0.1 - 0.5});
  check_near(of({.baseline = Baseline::none, .scale = AdvantageScale::none}), {1.0, 0.0, 0.5, 0.1});
  check_near(of({.baseline = Baseline::second_best, .scale = AdvantageScale::none}),
             {0.5, 0.0, 0.0, 0.0});
  check_near(of({.baseline = Baseline::second_best}), {0.5 / s, 0.0, 0.0, 0.0});
  check_near(of({.scale = AdvantageScale::mean_reward}), {1.5, -1.0, 0.25, -0.75});
  // Lengths 2, 3, 4, 5.
  const double weighted = (2.0 * 1.0 + 4.0 * 0.5 + 5.0 * 0.1) / 14.0;
  check_near(of({.baseline = Baseline::length_weighted, .scale = AdvantageScale::none}),
             {1.0 - weighted, -weighted, 0.5 - weighted, 0.1 - weighted});
}

TEST_CASE("MaxRL divides by a positive mean alone", "[losses][advantage]") {
  const Rollout rollout = rollout_of({{-1.0, 0.5}});
  check_near(of_samples(rollout, estimated(rollout, {.scale = AdvantageScale::mean_reward})),
             {0.0, 0.0});
}

TEST_CASE("equal rewards of any value give exactly 0", "[losses][advantage][C20]") {
  const double denormal = std::numeric_limits<double>::denorm_min();
  for (const double reward : {0.1, 1.0 / 3.0, 0.7, -1e300, 1e-300, denormal, 123456.789, 0.0}) {
    for (const std::size_t size : {2, 3, 17}) {
      const Rollout rollout =
          rollout_of({std::vector<std::optional<double>>(size, reward), {0.0, 1.0}});
      for (const Baseline baseline : {Baseline::mean, Baseline::leave_one_out,
                                      Baseline::length_weighted, Baseline::second_best}) {
        for (const AdvantageScale scale :
             {AdvantageScale::none, AdvantageScale::group, AdvantageScale::batch,
              AdvantageScale::mean_reward, AdvantageScale::tokens}) {
          const auto all = estimated(rollout, {.baseline = baseline, .scale = scale});
          for (const double advantage : of_samples(rollout, all)) CHECK(advantage == 0.0);
        }
      }
    }
  }
}

TEST_CASE("a rounding apart is a difference, and no amplified one", "[losses][advantage]") {
  // 3 · 0.1 and 0.3 differ in their last bit.
  const double sum = 0.1 + 0.1 + 0.1;
  REQUIRE(sum != 0.3);
  const Rollout rollout = rollout_of({{sum, 0.3, 0.3}});
  for (const double advantage : of_samples(rollout, estimated(rollout, {}))) {
    CHECK(std::abs(advantage) < 1e-9);
  }
}

TEST_CASE("a group with one scored sample gets 0, never its reward", "[losses][advantage]") {
  const Rollout rollout = rollout_of({{5.0}, {std::nullopt, 3.0}, {std::nullopt, std::nullopt}});
  for (const Baseline baseline : {Baseline::mean, Baseline::leave_one_out, Baseline::second_best,
                                  Baseline::length_weighted, Baseline::optimal_token}) {
    const auto all = estimated(rollout, {.baseline = baseline, .scale = AdvantageScale::none});
    for (std::size_t g = 0; g < 3; ++g) {
      for (const double advantage : of_samples(rollout, all, g)) CHECK(advantage == 0.0);
    }
  }
}

TEST_CASE("samples without a reward are not compared", "[losses][advantage]") {
  const Rollout rollout = rollout_of({{1.0, std::nullopt, 0.0}});
  const double s = std::sqrt(0.5) + 1e-4;
  check_near(of_samples(rollout, estimated(rollout, {})), {0.5 / s, 0.0, -0.5 / s});
  const auto loo =
      estimated(rollout, {.baseline = Baseline::leave_one_out, .scale = AdvantageScale::none});
  check_near(of_samples(rollout, loo), {1.0, 0.0, -1.0});
}

TEST_CASE("equal rewards are kept or dropped, and truncated samples left out",
          "[losses][advantage][C20]") {
  Rollout rollout = rollout_of({{0.5, 0.5}, {1.0, std::nullopt, 0.0}, {2.0}});
  const auto trained = [](const Advantages& all) {
    std::vector<int> flags;
    for (const auto& group : all) {
      for (const SampleAdvantage& sample : group) flags.push_back(sample.trained);
    }
    return flags;
  };
  CHECK(trained(estimated(rollout, {})) == std::vector<int>{1, 1, 1, 1, 1, 1});
  CHECK(trained(estimated(rollout, {}, nullptr, EqualRewards::drop)) ==
        std::vector<int>{0, 0, 1, 0, 1, 0});
  rollout.groups[1].samples[0].finish = FinishReason::length;
  Advantages all = estimated(rollout, {});
  leave_out_truncated(rollout, all);
  CHECK(trained(all) == std::vector<int>{1, 1, 0, 1, 1, 1});
  CHECK(of_samples(rollout, all, 1)[2] < 0.0);  // it was compared with the one that is left out
}

TEST_CASE("GDPO compares each verifier's rewards by itself", "[losses][advantage]") {
  Rollout rollout = rollout_of({{0.0, 0.0, 0.0}, {0.0, 0.0}, {0.0, 0.0}});
  rollout.verifiers = {"right", "short"};
  rollout.verifier_weights = {1.0, 0.5};
  const std::vector<std::vector<std::vector<std::optional<double>>>> scores{
      {{1.0, 0.2}, {0.0, 0.2}, {0.0, std::nullopt}},
      {{1.0, 0.0}, {0.0, 1.0}},
      {{0.3, 0.7}, {0.3, 0.7}}};
  for (std::size_t g = 0; g < scores.size(); ++g) {
    for (std::size_t s = 0; s < scores[g].size(); ++s) {
      rollout.groups[g].samples[s].scores = scores[g][s];
    }
  }
  const AdvantageEstimator gdpo{.rewards = RewardMix::each};
  const Advantages all = estimated(rollout, gdpo);
  const double a = std::sqrt(1.0 / 3.0) + 1e-4, b = std::sqrt(0.5) + 1e-4;
  const std::vector<double> sums{2.0 / 3.0 / a,
                                 -1.0 / 3.0 / a,
                                 -1.0 / 3.0 / a,
                                 0.5 / b - 0.25 / b,
                                 -0.5 / b + 0.25 / b,
                                 0.0,
                                 0.0};
  const double s = deviation(sums) + 1e-4;
  check_near(of_samples(rollout, all, 0), {sums[0] / s, sums[1] / s, sums[2] / s});
  check_near(of_samples(rollout, all, 1), {sums[3] / s, sums[4] / s});
  for (const double advantage : of_samples(rollout, all, 2)) CHECK(advantage == 0.0);
  rollout.groups[0].samples[0].scores.pop_back();
  CHECK_THROWS_WITH(estimated(rollout, gdpo), Catch::Contains("expected 2 scores of a sample"));
}

TEST_CASE("ReMax subtracts the reward of a greedy answer", "[losses][advantage]") {
  Rollout rollout = rollout_of({{1.0, 0.25}});
  const AdvantageEstimator remax{.baseline = Baseline::greedy, .scale = AdvantageScale::none};
  CHECK_THROWS_WITH(estimated(rollout, remax), Catch::Contains("reward of a greedy answer"));
  rollout.groups[0].greedy_reward = 0.5;
  check_near(of_samples(rollout, estimated(rollout, remax)), {0.5, -0.25});
}

TEST_CASE("REINFORCE++ whitens over the trained tokens of the whole rollout",
          "[losses][advantage]") {
  const Rollout rollout = rollout_of({{1.0}, {0.0, 0.25}});
  const auto all =
      estimated(rollout, {.baseline = Baseline::none, .scale = AdvantageScale::tokens});
  // Lengths 2; 2, 3.
  const double mean = (2.0 * 1.0 + 3.0 * 0.25) / 7.0;
  double variance = 0.0;
  for (const double r : {1.0, 1.0, 0.0, 0.0, 0.25, 0.25, 0.25}) {
    variance += (r - mean) * (r - mean) / 6.0;
  }
  const double s = std::sqrt(variance + 1e-8);
  check_near(of_samples(rollout, all, 0), {(1.0 - mean) / s});
  check_near(of_samples(rollout, all, 1), {-mean / s, (0.25 - mean) / s});
}

TEST_CASE("REINFORCE++'s group baseline whitens differences to the mean, not by the group",
          "[losses][advantage]") {
  const Rollout rollout = rollout_of({{1.0, 0.0}, {0.25, 0.75}, {0.5, 0.5}});
  const auto all = estimated(rollout, {.scale = AdvantageScale::tokens});
  // Lengths 2 and 3 in each group.
  const std::vector<double> tokens{0.5,  0.5,  -0.5, -0.5, -0.5, -0.25, -0.25, 0.25,
                                   0.25, 0.25, 0.0,  0.0,  0.0,  0.0,   0.0};
  const double mean = std::accumulate(tokens.begin(), tokens.end(), 0.0) / 15.0;
  const double s = std::sqrt(deviation(tokens) * deviation(tokens) + 1e-8);
  check_near(of_samples(rollout, all, 0), {(0.5 - mean) / s, (-0.5 - mean) / s});
  check_near(of_samples(rollout, all, 1), {(-0.25 - mean) / s, (0.25 - mean) / s});
  check_near(of_samples(rollout, all, 2), {0.0, 0.0});
}

TEST_CASE("KL in the reward: samples lose its sum, tokens what comes behind them",
          "[losses][advantage]") {
  Rollout rollout = rollout_of({{1.0, 0.0}});
  for (RolloutSample& sample : rollout.groups[0].samples) {
    for (std::size_t i = 0; i < sample.ids.size(); ++i) {
      sample.old_logps.push_back(-1.0F - 0.25F * static_cast<float>(i));
      sample.ref_logps.push_back(-1.5F);
    }
  }
  const Kl kl{.coefficient = 0.1, .estimator = KlEstimator::k1, .place = KlPlace::reward};
  // k1 of ids 0, 2, 3: 0.5, 0, −0.25; id 1 was not sampled.
  const auto loo =
      estimated(rollout, {.baseline = Baseline::leave_one_out, .scale = AdvantageScale::none}, &kl);
  check_near(of_samples(rollout, loo), {0.95 - (-0.025), -0.025 - 0.95});
  const auto returns =
      estimated(rollout, {.baseline = Baseline::none, .scale = AdvantageScale::none}, &kl);
  const auto tokens = [&](std::size_t s) {
    const std::vector<float>& values = returns[0][s].advantage;
    return std::vector<double>(values.begin(), values.end());
  };
  check_near(tokens(0), {0.95, 0.0, 1.0});
  check_near(tokens(1), {-0.025, 0.0, 0.025, 0.025});
  rollout.groups[0].samples[1].ref_logps.clear();
  CHECK_THROWS_WITH(
      estimated(rollout, {}, &kl),
      Catch::Contains("advantages need log p of the reference of each id of a sample"));
}

TEST_CASE("the optimal token baseline weighs returns by the norm of the score",
          "[losses][advantage]") {
  Rollout rollout = rollout_of({{1.0, 0.0, 0.5}});
  std::vector<std::vector<double>> norms;  // of trained tokens
  for (RolloutSample& sample : rollout.groups[0].samples) {
    double sum = 0.0;
    auto& of_sample = norms.emplace_back();
    for (std::size_t i = 0; i < sample.ids.size(); ++i) {
      const double x = static_cast<double>(i + sample.ids.size());
      sample.old_logps.push_back(static_cast<float>(-0.5 - 0.1 * x));
      sample.log_sum_sq.push_back(static_cast<float>(-0.3 - 0.05 * x));
      if (sample.sampled[i] == 0) continue;
      sum += 1.0 - 2.0 * std::exp(sample.old_logps[i]) + std::exp(sample.log_sum_sq[i]);
      of_sample.push_back(sum);
    }
  }
  const AdvantageEstimator otb{.baseline = Baseline::optimal_token, .scale = AdvantageScale::none};
  const auto all = estimated(rollout, otb);
  const std::vector<double> rewards{1.0, 0.0, 0.5};
  for (std::size_t s = 0; s < 3; ++s) {
    std::size_t t = 0;
    for (std::size_t i = 0; i < all[0][s].advantage.size(); ++i) {
      if (rollout.groups[0].samples[s].sampled[i] == 0) continue;
      double weighted = 0.0, weight = 0.0, alive = 0.0;
      for (std::size_t j = 0; j < 3; ++j) {
        if (t >= norms[j].size()) continue;
        weighted += rewards[j] * norms[j][t];
        weight += norms[j][t];
        alive += 1.0;
      }
      const double baseline = alive > 1.0 ? weighted / weight : 0.0;
      CHECK(all[0][s].advantage[i] == Approx(rewards[s] - baseline).margin(1e-6));
      ++t;
    }
  }
  CHECK(all[0][2].advantage.back() == 0.5F);  // nobody else reaches this token
  rollout.groups[0].samples[0].log_sum_sq.clear();
  CHECK_THROWS_WITH(estimated(rollout, otb), Catch::Contains("log Σ p²"));
}

TEST_CASE("the order of prompts and samples changes no advantage", "[losses][advantage]") {
  const Rollout rollout = rollout_of(kRewards);
  Rollout other = rollout;
  std::reverse(other.groups.begin(), other.groups.end());
  for (RolloutGroup& group : other.groups) {
    std::reverse(group.samples.begin(), group.samples.end());
  }
  for (const AdvantageScale scale :
       {AdvantageScale::group, AdvantageScale::batch, AdvantageScale::tokens}) {
    const Advantages a = estimated(rollout, {.scale = scale});
    const Advantages b = estimated(other, {.scale = scale});
    for (std::size_t g = 0; g < 2; ++g) {
      std::vector<double> there = of_samples(other, b, 1 - g);
      std::reverse(there.begin(), there.end());
      check_near(there, of_samples(rollout, a, g));
    }
  }
}

TEST_CASE("estimators that contradict themselves are refused", "[losses][advantage]") {
  CHECK_THROWS_WITH((AdvantageEstimator{.epsilon = -1.0}.validate()), Catch::Contains("epsilon"));
  CHECK_THROWS_WITH((AdvantageEstimator{.baseline = Baseline::none}.validate()),
                    Catch::Contains("expected scale none or tokens"));
  CHECK_THROWS_WITH(
      (AdvantageEstimator{.scale = AdvantageScale::none, .rewards = RewardMix::each}.validate()),
      Catch::Contains("expected baseline mean and scale group"));
  Rollout rollout = rollout_of(kRewards);
  rollout.groups[0].samples[0].sampled.pop_back();
  CHECK_THROWS_WITH(estimated(rollout, {}), Catch::Contains("marks of sampled ids"));
  const AdvantageEstimator each{.rewards = RewardMix::each};
  rollout = rollout_of(kRewards);
  rollout.verifier_weights.clear();
  CHECK_THROWS_WITH(estimated(rollout, each), Catch::Contains("weights of its verifiers"));
  rollout.verifier_weights = {1.0, 0.5};
  CHECK_THROWS_WITH(estimated(rollout, each), Catch::Contains("expected 2 scores of a sample"));
}
