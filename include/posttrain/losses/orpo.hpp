// SPDX-License-Identifier: Apache-2.0
// The odds-ratio term of ORPO (arXiv 2403.07691): with p = e^(l/T) the geometric mean of the
// probabilities of an answer's T tokens and odds(p) = p / (1 − p),
//
//   L = mean over pairs of −β log σ(log odds(p_w) − log odds(p_l))
//
// No reference. The whole objective is `OnChosen{NextToken{}} + Orpo{}`; β is the paper's λ. TRL:
// ORPOTrainer, whose likelihood term also scores the prompt.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct Orpo {
  using Batch = PairBatch;
  static constexpr bool row_local = false;
  static constexpr bool needs_reference = false;

  double beta = 0.1;  // λ of the paper

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: Orpo.beta must be positive");
  }

  /// One value for each pair, [pairs].
  Tensor losses(const Scores& scores, const PairBatch& batch) const {
    const PairScores pairs = pair_scores(scores, batch);
    const Tensor chosen = log_odds(pairs.chosen.mean_logps());
    return logsigmoid(chosen.sub(log_odds(pairs.rejected.mean_logps()))).mul(-beta);
  }

  Need needs() const { return preference_needs(); }
  void measure(const Scores& scores, const PairBatch& batch, MetricMeans& means) const {
    measure_rewards(scores, batch, beta, means, Reward::mean_logps);
  }

 private:
  /// log(p / (1 − p)) of log p, exact for p near 1, too.
  static Tensor log_odds(const Tensor& log_p) { return log_p.sub(log_p.expm1().neg().log()); }
};

}  // namespace posttrain
