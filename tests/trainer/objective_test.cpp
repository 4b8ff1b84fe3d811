// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/objective.hpp"

#include "posttrain/losses/loss_sum.hpp"
#include "posttrain/losses/next_token.hpp"
#include "support/catch.hpp"
#include "support/score_tables.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

TokenBatch batch_of(const TokenIds& ids, float weight) {
  BatchBuilder builder;
  builder.add(ids);
  builder.score(std::vector<float>(ids.size(), weight));
  builder.end_sequence();
  return std::move(builder).build();
}

/// The likelihood of sequences: four predictions in two of them.
struct PerSequence {
  using Batch = TokenBatch;
  static constexpr bool row_local = true;

  double count(const Batch& batch) const { return static_cast<double>(batch.samples.size()); }
  Tensor sum(const Scores& scores, const Batch&) const { return scores.logp.sum(); }
};

/// Tokens should be as likely as they are on average.
struct Even {
  using Batch = TokenBatch;
  using Statistics = double;
  static constexpr bool row_local = false;

  double count(const Batch& batch) const { return static_cast<double>(batch.predictions()); }
  double gather(const std::vector<Scored<Batch>>& step) const {
    double sum = 0.0, rows = 0.0;
    for (const Scored<Batch>& each : step) {
      sum += each.scores().logp.sum().item<double>();
      rows += count(each.batch());
    }
    return sum / rows;
  }
  Tensor sum(const Scores& scores, const Batch& batch, double mean) const {
    CHECK(scores.logp.size(0) == batch.predictions());
    return (scores.logp - mean).square().sum();
  }
};

}  // namespace

TEST_CASE("shares of micro-batches add up to the mean over the step [C1]", "[trainer][C1]") {
  const ScoreTables tables = ScoreTables::some();
  const std::vector<TokenBatch> split{batch_of({1, 2, 3, 4}, 1.0F), batch_of({5, 6}, 0.5F)};
  const NextToken loss;
  const Objective objective(loss, split);
  CHECK_FALSE(objective.empty());
  double shares = 0.0, nll = 0.0;
  for (const TokenBatch& batch : split) {
    const Scores scores = tables.scores(batch);
    shares += objective.sum(scores, batch).item<double>();
    nll -= (scores.logp * batch.weight).sum().item<double>();
  }
  CHECK(shares == Approx(nll / (loss.count(split[0]) + loss.count(split[1]))).epsilon(1e-12));
}

TEST_CASE("the terms of a sum have counts of their own [C1]", "[trainer][C1]") {
  const ScoreTables tables = ScoreTables::some();
  const std::vector<TokenBatch> split{batch_of({1, 2, 3, 4}, 1.0F), batch_of({5, 6}, 1.0F)};
  const auto total = [&](const auto& loss) {
    const Objective objective(loss, split);
    double sum = 0.0;
    for (const TokenBatch& batch : split) {
      sum += objective.sum(tables.scores(batch), batch).template item<double>();
    }
    return sum;
  };
  const auto sum = NextToken{} + 0.25 * PerSequence{};
  CHECK(total(sum) == Approx(total(NextToken{}) + 0.25 * total(PerSequence{})).epsilon(1e-12));
  CHECK(total(PerSequence{}) == Approx(-2.0 * total(NextToken{})).epsilon(1e-12));
}

TEST_CASE("a step in which nothing is scored is empty [C3]", "[trainer][C3]") {
  const NextToken loss;
  const std::vector<TokenBatch> nothing{batch_of({1, 2, 3}, 0.0F)};
  CHECK(Objective<NextToken>(loss, nothing).empty());
  CHECK(Objective<NextToken>(loss, {}).empty());
}

TEST_CASE("a loss that couples the step gathers it first", "[trainer]") {
  static_assert(Objective<Even>::gathers && !Objective<NextToken>::gathers);
  static_assert(Objective<NextToken>::row_local && !Objective<Even>::row_local);
  const ScoreTables tables = ScoreTables::some();
  const TokenBatch whole = batch_of({1, 2, 3, 4}, 1.0F);
  const Tensor logp = tables.scores(whole).logp;
  const double variance = (logp - logp.mean()).square().mean().item<double>();
  const Even loss;
  Objective<Even> objective(loss, {whole});
  const auto score = [&](const TokenBatch& batch) { return tables.scores(batch); };
  objective.gather({Scored<TokenBatch>(whole, [&] { return score(whole); }, score, {})});
  CHECK(objective.sum(tables.scores(whole), whole).item<double>() ==
        Approx(variance).epsilon(1e-12));
}
