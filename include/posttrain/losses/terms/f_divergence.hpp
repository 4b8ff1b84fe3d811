// SPDX-License-Identifier: Apache-2.0
// f-divergences (arXiv 2309.16240): with u = π / π_ref and r = log u of an answer, a loss on pairs
// compares s(r) = f'(u), up to a constant:
//
//   reverse KL           r
//   forward KL           1 − e^(−r)
//   Jensen–Shannon       log 2 + log σ(r)
//   α-divergence         (e^((α−1) r) − 1) / (α − 1)
//
// The constants matter to losses on values per token. TRL: f_divergence_type,
// f_alpha_divergence_coef.
#pragma once

#include <cstdint>

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/f_divergence_name.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

struct Divergence {
  FDivergence type = FDivergence::reverse_kl;
  double alpha = 0.5;  // of alpha_divergence alone; 1 would be the reverse KL

  constexpr void validate() const {
    if (alpha == 1.0) fail("posttrain: Divergence.alpha must not be 1");
  }

  /// s(r).
  Tensor f_prime(const Tensor& log_ratio) const {
    switch (type) {
      case FDivergence::reverse_kl:
        return log_ratio;
      case FDivergence::forward_kl:
        return -expm1(-log_ratio);
      case FDivergence::js_divergence:
        return logsigmoid(log_ratio) + 0.6931471805599453;
      case FDivergence::alpha_divergence:
        return expm1((alpha - 1.0) * log_ratio) / (alpha - 1.0);
    }
    return {};
  }

  /// D = s(r_w) − s(r_l), [pairs].
  Tensor difference(const PairScores& pairs) const {
    return f_prime(pairs.chosen.log_ratio()) - f_prime(pairs.rejected.log_ratio());
  }

  /// The difference per token, s(r_w) / T_w − s(r_l) / T_l, [pairs].
  Tensor mean_difference(const PairScores& pairs) const {
    return f_prime(pairs.chosen.log_ratio()) / pairs.chosen.length -
           f_prime(pairs.rejected.log_ratio()) / pairs.rejected.length;
  }
};

}  // namespace posttrain
