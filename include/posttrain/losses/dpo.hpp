// SPDX-License-Identifier: Apache-2.0
// Direct preference optimisation (arXiv 2305.18290):
//
//   L = mean over pairs of −(1 − ε) log σ(β D) − ε log σ(−β D),   D = s(r_w) − s(r_l)
//
// with r = log π / π_ref of an answer. ε is the label smoothing of conservative DPO (cDPO; TRL's
// `sigmoid` ignores it). s is the score of an f-divergence (arXiv 2309.16240): reverse KL r,
// forward KL −e^(−r), Jensen–Shannon log σ(r) (TRL adds log 2, which cancels), α-divergence
// e^((α−1) r) / (α − 1). TRL's names: loss_type "sigmoid", f_divergence_type.
#pragma once

#include "posttrain/core/error.hpp"
#include "posttrain/losses/pair_scores.hpp"

namespace posttrain {

/// How far the policy is from the reference, in DPO's objective.
enum class Divergence { reverse_kl, forward_kl, js_divergence, alpha_divergence };

struct Dpo {
  using Batch = PreferenceBatch;
  static constexpr bool row_local = false;
  static constexpr bool needs_reference = true;

  double beta = 0.1;             // β: how strongly the reference holds
  double label_smoothing = 0.0;  // ε in [0, 0.5): share of pairs whose labels are flipped
  Divergence divergence = Divergence::reverse_kl;
  double alpha = 0.5;  // of alpha_divergence, not 1 (TRL: f_alpha_divergence_coef)

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: Dpo.beta must be positive");
    if (!(label_smoothing >= 0.0 && label_smoothing < 0.5)) {
      fail("posttrain: Dpo.label_smoothing must be in [0, 0.5)");
    }
    if (alpha == 1.0) fail("posttrain: Dpo.alpha must not be 1");
  }

  /// The number of pairs.
  double count(const PreferenceBatch& batch) const { return static_cast<double>(batch.pairs()); }

  Tensor sum(const Scores& scores, const PreferenceBatch& batch) const;

  void measure(const Scores& scores, const PreferenceBatch& batch, MetricMeans& means) const {
    measure_rewards(pair_scores(scores, batch), beta, means);
  }
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/dpo_impl.hpp"
#endif
