// SPDX-License-Identifier: Apache-2.0
// Definitions of covariance_clip.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/policy/covariance_clip.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE Tensor CovarianceClip::candidates(const PolicyTokens& tokens,
                                                   const CovarianceMeans& means) const {
  const Tensor covariance = covariances(tokens, means);
  const ClippedRatios gone =
      clip.clipped(tokens.ratio.detach(), tokens.logps.detach(), tokens.advantage);
  return (covariance > low)
      .logical_and(covariance < high)
      .logical_and(gone.low.logical_or(gone.high).logical_not());
}

POSTTRAIN_INLINE CovarianceClip::Statistics CovarianceClip::gather(
    const std::vector<PolicyTokens>& step) const {
  Statistics statistics;
  statistics.means = covariance_means(step);
  Tensors draws;
  for (const PolicyTokens& tokens : step) {
    // What is no candidate stands behind all draws.
    draws.push_back(tokens.draw.where(candidates(tokens, statistics.means), 2.0));
  }
  const Tensor all = at::cat(draws);
  if (all.numel() == 0) return {statistics.means, at::zeros({}, all.options())};
  statistics.threshold = std::get<0>(all.kthvalue(share_of(share, all.numel())));
  return statistics;
}

POSTTRAIN_INLINE Tensor CovarianceClip::operator()(const PolicyTokens& tokens,
                                                   const Statistics& statistics) const {
  const Tensor loss = clip(tokens.ratio, tokens.logps, tokens.advantage);
  const Tensor drawn =
      candidates(tokens, statistics.means).logical_and(tokens.draw <= statistics.threshold);
  return loss.masked_fill(drawn, 0.0);
}

}  // namespace posttrain
