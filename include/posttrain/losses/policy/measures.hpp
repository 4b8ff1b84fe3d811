// SPDX-License-Identifier: Apache-2.0
// The metrics of losses on policies, over the trained tokens of a step, or its samples.
#pragma once

#include <string_view>

#include "posttrain/batch/rollouts.hpp"
#include "posttrain/losses/policy/clip.hpp"
#include "posttrain/losses/policy/kl.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/tensor/metric_means.hpp"

namespace posttrain {

/// The mean over all predictions, [P].
void add_token_mean(MetricMeans& means, std::string_view name, const Tensor& values);

/// entropy; ratio/mean, ratio/max, ratio/clamped; where it is known how likely ids were when they
/// were drawn, sampling/sampling_logp_difference/mean and /max, |log π_old − log π_sampled|; with
/// weights by importance sampling/importance_sampling_ratio/min, /mean, /max and
/// sampling/effective_sample_size, (Σ ρ)² / (N Σ ρ²), 1 of equal weights (verl:
/// rollout_corr/rollout_is_eff_sample_size). `log_ratio` is that of each token, not clamped;
/// `weights` are ratios.
void measure_policy(const Scores& scores, const Tensor& log_ratio, const Tensor& weights,
                    const RolloutBatch& batch, MetricMeans& means);

/// clip_ratio/low_mean, clip_ratio/high_mean, clip_ratio/region_mean; and of the samples of the
/// step the least share of tokens that are clipped below, clip_ratio/low_min, and the greatest of
/// those above, clip_ratio/high_max.
void measure_clipped(const ClippedRatios& clipped, const RolloutBatch& batch, MetricMeans& means);

/// kl: the estimate in the loss; of KL in the reward, the same estimator at the current policy.
void measure_kl(const Kl& kl, const Tensor& logps, const Tensor& ref_logps, const Tensor& weights,
                MetricMeans& means);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/policy/impl/measures.ipp"
#endif
