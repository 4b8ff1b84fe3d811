// SPDX-License-Identifier: Apache-2.0
// The metrics of losses on policies, means over the trained tokens of a step.
#pragma once

#include "posttrain/batch/rollouts.hpp"
#include "posttrain/losses/policy/clip.hpp"
#include "posttrain/losses/policy/kl.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/tensor/metric_means.hpp"

namespace posttrain {

/// entropy, ratio/mean, ratio/max, ratio/clamped, and importance/mean, importance/mean_square where
/// another engine sampled. `log_ratio` is that of each token, not clamped; `weights` are ratios.
void measure_policy(const Scores& scores, const Tensor& log_ratio, const Tensor& weights,
                    const RolloutBatch& batch, MetricMeans& means);

/// clip_ratio/low_mean, clip_ratio/high_mean, clip_ratio/region_mean.
void measure_clipped(const ClippedRatios& clipped, MetricMeans& means);

/// kl: the estimate in the loss; of KL in the reward, the same estimator at the current policy.
void measure_kl(const Kl& kl, const Tensor& logps, const Tensor& ref_logps, const Tensor& weights,
                MetricMeans& means);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/policy/impl/measures.ipp"
#endif
