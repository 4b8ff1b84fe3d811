// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/terms/loss_terms.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

// [snippet: own]
/// The calibration loss of SLiC (arXiv 2305.10425): answers are a margin apart in log-probability.
struct Calibration {
  using Batch = PairBatch;

  double delta = 1.0;  // the margin

  Tensor losses(const PairScores& pairs) const {
    return relu(delta - (pairs.chosen.logps - pairs.rejected.logps));
  }
};
static_assert(LossPolicy<Calibration>);
// [/snippet]

/// Draws log-ratios to the pairs' own margins, from their batch.
struct Margins {
  using Batch = PairBatch;
  static constexpr bool needs_reference = true;
  double scale = 2.0;
  Tensor losses(const PairScores& pairs) const {
    return square(pairs.chosen.log_ratio() - scale * pairs.batch->margin);
  }
};

/// The general form, without metrics: a sum over scores and a count of its own.
struct General {
  using Batch = PairBatch;
  double count(const PairBatch& batch) const { return 2.0 * static_cast<double>(batch.items()); }
  static constexpr bool row_local = false;
  Tensor sum(const Scores& scores, const PairBatch&) const { return scores.logp.sum(); }
};

}  // namespace

static_assert(ValuesPairs<Calibration> && MeasuresScores<Calibration>);
static_assert(!row_local<Calibration>() && !needs_reference<Calibration>());
static_assert(!ValuesPairs<General> && !MeasuresScores<General> && LossPolicy<General>);

TEST_CASE("a loss on pairs of one's own takes the rest from the library", "[losses][loss_terms]") {
  const Calibration loss;
  const std::vector<AnswerPair> pairs = seven_pairs();
  ScoreTables tables = ScoreTables::some();
  const PairBatch batch = pairs_at(pairs, {0, 1, 2, 3, 4, 5, 6});
  const LossAndGradient step = step_on(loss, tables, std::vector{batch});
  double expected = 0.0, chosen = 0.0;
  for (const PairNumbers& pair : numbers(pairs, tables)) {
    expected += std::max(0.0, 1.0 - (pair.w.logp - pair.l.logp)) / 7.0;
    chosen += pair.w.logp / 7.0;
  }
  CHECK(step.loss == Approx(expected).epsilon(1e-12));
  CHECK(metric(step, "rewards/chosen") == Approx(chosen).epsilon(1e-12));
  CHECK(term_counts(loss, batch) == std::vector<double>{7.0});
  CHECK(needs_of(loss).entropy);
  check_same(step_on(loss, tables,
                     std::vector{pairs_at(pairs, {6, 1, 0}), pairs_at(pairs, {2, 3}),
                                 pairs_at(pairs, {5, 4})}),
             step);
}

TEST_CASE("a loss on pairs reads its batch, and rewards without a factor are log-ratios",
          "[losses][loss_terms]") {
  std::vector<AnswerPair> pairs = seven_pairs();
  for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i].margin = 0.25F * static_cast<float>(i);
  const ScoreTables tables = ScoreTables::some();
  const LossAndGradient step =
      step_on(Margins{}, tables, std::vector{pairs_at(pairs, {0, 1, 2, 3, 4, 5, 6})});
  double expected = 0.0, chosen = 0.0;
  const Step now = numbers(pairs, tables);
  for (std::size_t i = 0; i < now.size(); ++i) {
    expected += std::pow(now[i].w.ratio() - 0.5 * static_cast<double>(i), 2.0) / 7.0;
    chosen += now[i].w.ratio() / 7.0;
  }
  CHECK(step.loss == Approx(expected).epsilon(1e-12));
  CHECK(metric(step, "rewards/chosen") == Approx(chosen).epsilon(1e-12));
}

TEST_CASE("a term whose count is 0 adds a zero with a graph", "[losses][loss_terms]") {
  const ScoreTables tables = ScoreTables::some();
  const PairBatch batch = pairs_at(seven_pairs(), {0, 1});
  Scores scores = tables.scores(batch);
  scores.logp.requires_grad_();
  const std::vector<double> some{4.0}, none{0.0};
  const Tensor share = mean_share(General{}, scores, batch, some, {});
  CHECK(share.item<double>() == Approx(scores.logp.sum().item<double>() / 4.0).epsilon(1e-12));
  const Tensor nothing = mean_share(General{}, scores, batch, none, {});
  CHECK(nothing.item<double>() == 0.0);
  CHECK(nothing.requires_grad());
  CHECK(term_counts(General{}, batch) == std::vector<double>{4.0});
}
