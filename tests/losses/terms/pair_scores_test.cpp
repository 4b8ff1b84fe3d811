// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/terms/pair_scores.hpp"

#include <cmath>
#include <vector>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("log-sigmoid is exact for large arguments", "[losses][pair_scores]") {
  const Tensor x = at::tensor({-800.0, -1.0, 0.0, 1.0, 800.0}, at::kDouble);
  const Tensor values = logsigmoid(x);
  CHECK(values[0].item<double>() == -800.0);
  CHECK(values[1].item<double>() == Approx(log_sigmoid(-1.0)).epsilon(1e-14));
  CHECK(values[2].item<double>() == Approx(-std::log(2.0)).epsilon(1e-14));
  CHECK(std::abs(values[4].item<double>()) < 1e-300);
  const Tensor smoothed = smoothed_logsigmoid(x, 0.25);
  for (std::int64_t i : {1, 2, 3}) {
    const double own = x[i].item<double>();
    CHECK(smoothed[i].item<double>() ==
          Approx(-0.75 * log_sigmoid(own) - 0.25 * log_sigmoid(-own)).epsilon(1e-14));
  }
}

TEST_CASE("scores of pairs are sums over the tokens of their answers", "[losses][pair_scores]") {
  std::vector<AnswerPair> pairs = seven_pairs();
  pairs[1].chosen.weights.back() = 0.5F;
  const ScoreTables tables = ScoreTables::some();
  PairBatch batch = pairs_at(pairs, {0, 1, 2});
  batch.ref_logps = tables.ref_logps(batch);
  const PairScores scores = pair_scores(tables.scores(batch), batch);
  CHECK(scores.batch == &batch);
  const auto sum = [](const Tensor& table, const Sequence& answer) {
    double all = 0.0;
    for (std::size_t i = 0; i < answer.ids.size(); ++i) {
      all += answer.weights[i] * table[answer.ids[i]].item<double>();
    }
    return all;
  };
  const Tensor ones = at::ones_like(tables.policy);
  for (std::int64_t i = 0; i < 3; ++i) {
    const AnswerPair& pair = pairs[static_cast<std::size_t>(i)];
    const auto check = [&](const AnswerScores& own, const Sequence& answer) {
      const double logp = sum(tables.policy, answer), ref = sum(tables.reference, answer);
      const double length = sum(ones, answer);
      CHECK(own.logps[i].item<double>() == Approx(logp).epsilon(1e-12));
      CHECK(own.ref_logps[i].item<double>() == Approx(ref).epsilon(1e-12));
      CHECK(own.length[i].item<double>() == Approx(length).epsilon(1e-12));
      CHECK(own.log_ratio()[i].item<double>() == Approx(logp - ref).epsilon(1e-12));
      CHECK(own.mean_logps()[i].item<double>() == Approx(logp / length).epsilon(1e-12));
    };
    check(scores.chosen, pair.chosen);
    check(scores.rejected, pair.rejected);
  }
}

TEST_CASE("scores without a reference have no log-ratio", "[losses][pair_scores]") {
  const PairBatch batch = pairs_at(seven_pairs(), {0, 1});
  const PairScores scores = pair_scores(ScoreTables::some().scores(batch), batch);
  CHECK(scores.chosen.logps.defined());
  CHECK_FALSE(scores.chosen.ref_logps.defined());
}

TEST_CASE("metrics of pairs are means over the step", "[losses][pair_scores]") {
  const std::vector<AnswerPair> pairs = seven_pairs();
  const ScoreTables tables = ScoreTables::some();
  const auto measured = [&](Reward reward) {
    MetricMeans means;
    for (PairBatch batch : {pairs_at(pairs, {0, 1, 2, 3, 4}), pairs_at(pairs, {5, 6})}) {
      batch.ref_logps = tables.ref_logps(batch);
      measure_rewards(tables.scores(batch), batch, kBeta, means, reward);
    }
    return LossAndGradient{0.0, {}, means.values()};
  };
  double ratio = 0.0, logp = 0.0, mean = 0.0, better = 0.0, whole = 0.0, tokens = 0.0;
  for (const PairNumbers& pair : numbers(pairs, tables)) {
    ratio += pair.w.ratio() / 7.0;
    logp += pair.l.logp / 7.0;
    mean += pair.l.mean() / 7.0;
    better += (pair.w.ratio() > pair.l.ratio()) / 7.0;
    whole += pair.w.logp + pair.l.logp;
    tokens += pair.w.length + pair.l.length;
  }
  const LossAndGradient ratios = measured(Reward::log_ratio);
  CHECK(metric(ratios, "rewards/chosen") == Approx(kBeta * ratio).epsilon(1e-12));
  CHECK(metric(ratios, "rewards/accuracies") == Approx(better).epsilon(1e-12));
  CHECK(metric(ratios, "logps/rejected") == Approx(logp).epsilon(1e-12));
  CHECK(metric(ratios, "entropy") == Approx(-whole / tokens).epsilon(1e-12));
  CHECK(metric(measured(Reward::logps), "rewards/rejected") == Approx(kBeta * logp).epsilon(1e-12));
  const LossAndGradient means = measured(Reward::mean_logps);
  CHECK(metric(means, "rewards/rejected") == Approx(kBeta * mean).epsilon(1e-12));
  CHECK(metric(means, "logps/rejected") == Approx(mean).epsilon(1e-12));
}
