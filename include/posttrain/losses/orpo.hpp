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
  static constexpr bool needs_reference = false;
  static constexpr Reward reward = Reward::mean_logps;

  double beta = 0.1;  // λ of the paper

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: Orpo.beta must be positive");
  }

  Tensor losses(const PairScores& pairs) const {
    const Tensor chosen = pairs.chosen.mean_logps(), rejected = pairs.rejected.mean_logps();
    return -beta * logsigmoid(log_odds(chosen) - log_odds(rejected));
  }

 private:
  /// log(p / (1 − p)) of log p, exact for p near 1.
  static Tensor log_odds(const Tensor& log_p) { return log_p - log(-expm1(log_p)); }
};

}  // namespace posttrain
