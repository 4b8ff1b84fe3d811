// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/terms/answer_scores.hpp"

#include <vector>

#include "support/answer_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("a value by verdict falls from its weight to 0, or rises to it",
          "[losses][answer_scores]") {
  AnswerBatch batch = answer_batches({{0, 1, 2, 3, 4, 5, 6}}).at(0);
  const Tensor x = at::arange(7, at::kDouble) - 3.0;
  const Tensor values = answer_losses(x, batch, 1.5, 0.5);
  for (std::int64_t i = 0; i < 7; ++i) {
    const double own = x[i].item<double>();
    CHECK(values[i].item<double>() ==
          Approx(batch.desirable[i].item<bool>() ? 1.5 * (1.0 - sigmoid(own)) : 0.5 * sigmoid(own))
              .epsilon(1e-12));
  }
}

TEST_CASE("metrics of answers are means over each kind", "[losses][answer_scores]") {
  const ScoreTables tables = ScoreTables::some();
  const std::vector<Answer> answers = seven_answers();
  MetricMeans means;
  for (AnswerBatch& batch : answer_batches({{0, 1, 2}, {3, 4, 5, 6}})) {
    batch.ref_logps = tables.ref_logps(batch);
    measure_answers(tables.scores(batch), batch, kBeta, means);
  }
  double rewards[2] = {}, logps[2] = {}, counts[2] = {}, entropy = 0.0, tokens = 0.0;
  for (const Answer& answer : answers) {
    for (const TokenId id : answer.answer.ids) {
      const double p = tables.policy[id].item<double>();
      logps[answer.desirable] += p;
      rewards[answer.desirable] += kBeta * (p - tables.reference[id].item<double>());
      entropy -= p;
      tokens += 1.0;
    }
    counts[answer.desirable] += 1.0;
  }
  const LossAndGradient step{0.0, {}, means.values()};
  CHECK(metric(step, "rewards/chosen") == Approx(rewards[1] / counts[1]).epsilon(1e-12));
  CHECK(metric(step, "rewards/rejected") == Approx(rewards[0] / counts[0]).epsilon(1e-12));
  CHECK(metric(step, "logps/chosen") == Approx(logps[1] / counts[1]).epsilon(1e-12));
  CHECK(metric(step, "logps/rejected") == Approx(logps[0] / counts[0]).epsilon(1e-12));
  CHECK(metric(step, "entropy") == Approx(entropy / tokens).epsilon(1e-12));
}
