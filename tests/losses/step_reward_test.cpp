// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/step_reward.hpp"

#include <cmath>
#include <vector>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("the loss of steps is its formula, on any slice", "[losses][step_reward][C1]") {
  const std::vector<double> rewards{-2.0, -0.5, 0.0, 0.3, 4.0};
  const std::vector<float> labels{1.0F, 0.0F, 0.25F, 1.0F, 0.0F};
  SteppedSolution solution{{1, 2}, {{3}, {4, 5}, {6}, {7, 8}, {9}}, labels, 0};
  const StepRewardBatch batch = pack_steps({{&solution}});
  Scores scores;
  scores.mean_logit = at::tensor(rewards, at::kDouble).requires_grad_();
  const Tensor sum = StepReward{}.sum(scores, batch);
  double expected = 0.0;
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    expected -= labels[i] * log_sigmoid(rewards[i]) + (1.0 - labels[i]) * log_sigmoid(-rewards[i]);
  }
  CHECK(std::abs(sum.item<double>() - expected) < 1e-6);
  CHECK(StepReward{}.count(batch) == 5.0);
  sum.backward();
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    const double slope = sigmoid(rewards[i]) - labels[i];
    CHECK(std::abs(scores.reward().grad()[static_cast<std::int64_t>(i)].item<double>() - slope) <
          1e-6);
  }
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    const Scores own = scores.map([&](const Tensor& all) { return all.slice(0, begin, end); });
    return StepReward{}.sum(own, batch.slice(begin, end)).item<double>();
  };
  CHECK(std::abs(part(0, 2) + part(2, 5) - expected) < 1e-6);
}

TEST_CASE("a step is judged right where its reward says what its label does",
          "[losses][step_reward]") {
  SteppedSolution solution{{1}, {{2}, {3}, {4}, {5}}, {1.0F, 0.0F, 1.0F, 0.25F}, 0};
  Scores scores;
  scores.mean_logit = at::tensor({2.0, 1.0, -1.0, -4.0}, at::kDouble);
  MetricMeans means;
  StepReward{}.measure(scores, pack_steps({{&solution}}), means);
  const LossAndGradient step{0.0, {}, means.values()};
  CHECK(metric(step, "accuracy") == 0.5);
  CHECK(metric(step, "mean_reward") == -0.5);
}
