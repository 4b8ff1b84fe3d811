// SPDX-License-Identifier: Apache-2.0
// Scores of f-divergences (arXiv 2309.16240): how a log-ratio r = log π / π_ref of an answer counts
// in a loss on pairs. With u = π / π_ref the score is f'(u), up to a constant:
//
//   reverse KL           r
//   forward KL           1 − e^(−r)
//   Jensen–Shannon       log 2 + log σ(r)
//   α-divergence         (e^((α−1) r) − 1) / (α − 1)
//
// The constants matter to losses on scores per token. TRL: f_divergence_type,
// f_alpha_divergence_coef.
#pragma once

#include <cstdint>

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

enum class FDivergence { reverse_kl, forward_kl, js_divergence, alpha_divergence };

struct Divergence {
  FDivergence type = FDivergence::reverse_kl;
  double alpha = 0.5;  // of alpha_divergence; not 1, where it is the reverse KL

  constexpr void validate() const {
    if (alpha == 1.0) fail("posttrain: Divergence.alpha must not be 1");
  }

  Tensor score(const Tensor& log_ratio) const {
    switch (type) {
      case FDivergence::reverse_kl:
        return log_ratio;
      case FDivergence::forward_kl:
        return log_ratio.neg().expm1().neg();
      case FDivergence::js_divergence:
        return logsigmoid(log_ratio).add(0.6931471805599453);
      case FDivergence::alpha_divergence:
        return log_ratio.mul(alpha - 1.0).expm1().div(alpha - 1.0);
    }
    return {};
  }

  /// D = s(r_w) − s(r_l), [pairs].
  Tensor difference(const PairScores& pairs) const {
    return score(pairs.chosen.log_ratio()).sub(score(pairs.rejected.log_ratio()));
  }

  /// The same of scores per token.
  Tensor mean_difference(const PairScores& pairs) const {
    return score(pairs.chosen.log_ratio())
        .div(pairs.chosen.length)
        .sub(score(pairs.rejected.log_ratio()).div(pairs.rejected.length));
  }
};

}  // namespace posttrain
