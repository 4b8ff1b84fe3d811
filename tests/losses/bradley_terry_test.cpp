// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/bradley_terry.hpp"

#include <cmath>
#include <vector>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// Pairs with margins 0.1, 0.2, 0.3, ….
RewardBatch batch_of(std::size_t pairs) {
  std::vector<AnswerPair> all = seven_pairs();
  std::vector<const AnswerPair*> some;
  for (std::size_t i = 0; i < pairs; ++i) {
    all[i].margin = 0.1F * static_cast<float>(i + 1);
    some.push_back(&all[i]);
  }
  return pack_reward_pairs(some);
}

Scores scores_of(const std::vector<double>& rewards) {
  Scores scores;
  scores.mean_logit = at::tensor(rewards, at::kDouble);
  return scores;
}

const std::vector<double> kRewards{0.5, -1.0, 2.0, 2.5, -3.0, -3.0};

double formula(const std::vector<double>& rewards, double c) {
  double sum = 0.0;
  for (std::size_t i = 0; i < rewards.size(); i += 2) {
    const double w = rewards[i], l = rewards[i + 1], m = 0.05 * static_cast<double>(i + 2);
    sum += -log_sigmoid(w - l - m) + c * (w + l) * (w + l);
  }
  return sum;
}

}  // namespace

TEST_CASE("Bradley-Terry is its formula with margins and centring", "[losses][bradley_terry][C1]") {
  const RewardBatch batch = batch_of(3);
  for (const double c : {0.0, 0.01, 0.7}) {
    const BradleyTerry loss{.center_rewards_coefficient = c};
    Scores scores = scores_of(kRewards);
    scores.mean_logit.requires_grad_();
    const Tensor sum = loss.losses(scores, batch).sum();
    CHECK(std::abs(sum.item<double>() - formula(kRewards, c)) < 1e-6);
    CHECK(term_counts(loss, batch) == std::vector<double>{3.0});
    sum.backward();
    for (std::size_t i = 0; i < kRewards.size(); ++i) {
      std::vector<double> above = kRewards, below = kRewards;
      above[i] += 1e-5;
      below[i] -= 1e-5;
      const double slope = (formula(above, c) - formula(below, c)) / 2e-5;
      CHECK(std::abs(scores.reward().grad()[static_cast<std::int64_t>(i)].item<double>() - slope) <
            1e-6);
    }
  }
  CHECK(BradleyTerry{}.needs().mean_logit);
  CHECK_THROWS_WITH(BradleyTerry{.center_rewards_coefficient = -1.0}.validate(),
                    "posttrain: BradleyTerry.center_rewards_coefficient must not be negative");
}

TEST_CASE("metrics of rewards are means, least and largest of the step",
          "[losses][bradley_terry]") {
  MetricMeans means;
  BradleyTerry{}.measure(scores_of(kRewards), batch_of(3), means);
  BradleyTerry{}.measure(scores_of({9.0, -8.0}), batch_of(1), means);
  const LossAndGradient step{0.0, {}, means.values()};
  CHECK(metric(step, "accuracy") == 2.0 / 4.0);
  CHECK(std::abs(metric(step, "margin") - (1.5 - 0.5 + 0.0 + 17.0) / 4.0) < 1e-12);
  CHECK(std::abs(metric(step, "mean_reward") - (-2.0 + 1.0) / 8.0) < 1e-12);
  CHECK(metric(step, "min_reward") == -8.0);
  CHECK(metric(step, "max_reward") == 9.0);
}
