// SPDX-License-Identifier: Apache-2.0
// The distance of the policy from the reference, estimated at the tokens that were sampled. With
// k1 = log p − log p_ref, clamped to ± 20:
//
//   estimator          value               gradient in the loss, in expectation
//   k1                 k1                  0: refused there
//   k2                 k1² / 2             that of KL(π ‖ π_ref), for samples of the policy
//   k3                 e^(−k1) + k1 − 1    that of KL(π_ref ‖ π) (2402.03300; TRL, beta)
//   k3_k2_gradient     that of k3          that of k2 (verl: "k3+")
//   k3_corrected       k3 × ratio          that of KL(π ‖ π_ref), for samples of the old policy,
//   too
//                                          (TRL: use_bias_correction_kl)
//
// In the reward (RLOO, REINFORCE++) the estimate is taken at the old policy, before any update, and
// carries no gradient. No value is clamped apart from the exponent (verl clamps k3 to ± 10).
#pragma once

#include <algorithm>
#include <cmath>

#include "posttrain/base/error.hpp"
#include "posttrain/tensor/operators.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// Where log-ratios are cut before they are exponentiated.
inline constexpr double kMaxLogRatio = 20.0;

enum class KlEstimator { k1, k2, k3, k3_k2_gradient, k3_corrected };

/// Where the estimate goes.
enum class KlPlace { loss, reward };

/// No comparison with a reference.
struct NoKl {
  static constexpr bool needs_reference = false;
};

struct Kl {
  static constexpr bool needs_reference = true;

  double coefficient = 0.001;  // β
  KlEstimator estimator = KlEstimator::k3;
  KlPlace place = KlPlace::loss;

  constexpr void validate() const {
    if (!(coefficient >= 0.0)) fail("posttrain: Kl.coefficient must not be negative");
    if (place == KlPlace::loss && estimator == KlEstimator::k1) {
      fail(
          "posttrain: expected an estimator of KL with a gradient, got k1 in the loss, whose "
          "expected gradient is zero; hint: KlEstimator::k2, or KlPlace::reward");
    }
    if (place == KlPlace::reward &&
        (estimator == KlEstimator::k3_k2_gradient || estimator == KlEstimator::k3_corrected)) {
      fail(
          "posttrain: expected k1, k2 or k3 in the reward, got an estimator that differs from k3 "
          "by "
          "its gradient");
    }
  }

  /// β × the estimate at each prediction, [P].
  Tensor penalty(const Tensor& logps, const Tensor& ref_logps, const Tensor& ratio) const {
    return coefficient * estimate((logps - ref_logps).clamp(-kMaxLogRatio, kMaxLogRatio), ratio);
  }

  /// The same of one token on the host, as it goes into the reward.
  double penalty(double logp, double ref_logp) const {
    const double k1 = std::clamp(logp - ref_logp, -kMaxLogRatio, kMaxLogRatio);
    switch (estimator) {
      case KlEstimator::k1:
        return coefficient * k1;
      case KlEstimator::k2:
        return coefficient * 0.5 * k1 * k1;
      default:
        return coefficient * (std::expm1(-k1) + k1);
    }
  }

 private:
  Tensor estimate(const Tensor& k1, const Tensor& ratio) const {
    switch (estimator) {
      case KlEstimator::k1:
        return k1;
      case KlEstimator::k2:
        return 0.5 * square(k1);
      case KlEstimator::k3:
        return expm1(-k1) + k1;
      case KlEstimator::k3_k2_gradient: {
        const Tensor k2 = 0.5 * square(k1);
        return (expm1(-k1) + k1).detach() + (k2 - k2.detach());
      }
      case KlEstimator::k3_corrected:
        return (expm1(-k1) + k1) * ratio;
    }
    return k1;
  }
};

}  // namespace posttrain
