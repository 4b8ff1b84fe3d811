// SPDX-License-Identifier: Apache-2.0
// Definitions of measures.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/policy/measures.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

/// What these predictions add to the mean over the tokens of each sample of the step.
inline Tensor parts_of_samples(const Tensor& values, const RolloutBatch& batch) {
  return at::zeros({batch.step_samples}, batch.length.options().dtype(at::kDouble))
      .index_add(0, batch.step_sample, values.to(at::kDouble) / batch.length);
}

}  // namespace detail

POSTTRAIN_INLINE void add_token_mean(MetricMeans& means, std::string_view name,
                                     const Tensor& values) {
  means.add(name, values.sum(at::kDouble), values.numel());
}

POSTTRAIN_INLINE void measure_policy(const Scores& scores, const Tensor& log_ratio,
                                     const Tensor& weights, const RolloutBatch& batch,
                                     MetricMeans& means) {
  if (weights.numel() == 0) return;
  if (scores.entropy.defined()) add_token_mean(means, "entropy", scores.entropy);
  add_token_mean(means, "ratio/mean", weights);
  means.add_max("ratio/max", weights.max());
  add_token_mean(means, "ratio/clamped", log_ratio.abs() > kMaxLogRatio);
  if (batch.sampled_logps.defined()) {
    const Tensor old = batch.old_logps.defined() ? batch.old_logps : scores.logp;
    const Tensor difference = (old - batch.sampled_logps).abs();
    add_token_mean(means, "sampling/sampling_logp_difference/mean", difference);
    means.add_max("sampling/sampling_logp_difference/max", difference.max());
  }
  if (const Tensor& weight = batch.importance; weight.defined()) {
    means.add_min("sampling/importance_sampling_ratio/min", weight.min());
    add_token_mean(means, "sampling/importance_sampling_ratio/mean", weight);
    means.add_max("sampling/importance_sampling_ratio/max", weight.max());
    means.add_effective_share("sampling/effective_sample_size", weight.sum(at::kDouble),
                              square(weight).sum(at::kDouble), weight.numel());
  }
}

POSTTRAIN_INLINE void measure_clipped(const ClippedRatios& clipped, const RolloutBatch& batch,
                                      MetricMeans& means) {
  if (clipped.low.numel() == 0) return;
  add_token_mean(means, "clip_ratio/low_mean", clipped.low);
  add_token_mean(means, "clip_ratio/high_mean", clipped.high);
  add_token_mean(means, "clip_ratio/region_mean", clipped.low.logical_or(clipped.high));
  means.add_least_sum("clip_ratio/low_min", detail::parts_of_samples(clipped.low, batch));
  means.add_greatest_sum("clip_ratio/high_max", detail::parts_of_samples(clipped.high, batch));
}

POSTTRAIN_INLINE void measure_kl(const Kl& kl, const Tensor& logps, const Tensor& ref_logps,
                                 const Tensor& weights, MetricMeans& means) {
  Kl of_one = kl;
  of_one.coefficient = 1.0;
  add_token_mean(means, "kl", of_one.penalty(logps, ref_logps, weights));
}

}  // namespace posttrain
