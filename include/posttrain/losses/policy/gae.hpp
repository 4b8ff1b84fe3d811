// SPDX-License-Identifier: Apache-2.0
// Generalised advantage estimation (arXiv 1506.02438): advantages of single tokens by a critic.
//
//   δ_t = r_t + γ V_{t+1} − V_t      A_t = δ_t + γ λ A_{t+1}      return_t = A_t + V_t
//
// over the sampled tokens of a sample, one behind another: what a tool said between them is
// skipped, and value and sum are carried over it. r is the reward at the last sampled token, by its
// index (never by the id of an end or of padding), minus a penalty at each; behind the last token V
// is 0. Everything is computed in double. verl: compute_gae_advantage_return.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/batch/rollout.hpp"

namespace posttrain {

struct Kl;

struct Gae {
  double gamma = 1.0;    // γ in (0, 1]: what a reward one token later is worth
  double lambda = 0.95;  // λ in [0, 1]: 0 trusts the critic, 1 the rewards that came
  bool whiten = true;    // advantages over all sampled tokens of the rollout; returns stay

  constexpr void validate() const {
    if (!(gamma > 0.0 && gamma <= 1.0)) fail("posttrain: Gae.gamma must be in (0, 1]");
    if (!(lambda >= 0.0 && lambda <= 1.0)) fail("posttrain: Gae.lambda must be in [0, 1]");
  }
};

/// Fills in advantages and returns from rewards and `RolloutSample::values`. `penalty`, where it is
/// not null, is subtracted from the rewards. A sample without a reward has nothing to learn: its
/// advantage is 0 and its returns are the critic's values.
void estimate_gae(const Rollout& rollout, const Gae& gae, const Kl* penalty,
                  Advantages& advantages);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/policy/impl/gae.ipp"
#endif
