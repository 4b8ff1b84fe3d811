// SPDX-License-Identifier: Apache-2.0
// Clip-Cov (arXiv 2505.22617): the clipped surrogate without the gradient of a few tokens that
// drive the entropy down, those whose log-probability and advantage rise together:
//
//   cov_t = (A_t − mean A)(log p_t − mean log p),   low < cov_t < high
//
// Of the tokens within the bounds that the clip leaves alone, max(1, share · N) are drawn, over all
// N of the optimizer step: the means and the draw are the step's, so the term gathers. The draw is
// keyed by what was sampled (RolloutBatch::draw) and does not depend on the split. verl: clip_cov,
// over a micro-batch.
#pragma once

#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/losses/policy/clip.hpp"
#include "posttrain/losses/policy/tokens.hpp"

namespace posttrain {

struct CovarianceClip {
  /// Numbers on the device.
  struct Statistics {
    CovarianceMeans means{};
    Tensor threshold{};  // tokens with a draw up to it are left out
  };

  Clip clip{};
  double share = 0.0002;
  double low = 1.0;
  double high = 5.0;

  constexpr void validate() const {
    clip.validate();
    if (!(share >= 0.0 && share <= 1.0)) {
      fail("posttrain: CovarianceClip.share must be in [0, 1]");
    }
    if (!(low < high)) fail("posttrain: expected CovarianceClip.low below CovarianceClip.high");
  }

  Statistics gather(const std::vector<PolicyTokens>& step) const;
  Tensor operator()(const PolicyTokens& tokens, const Statistics& statistics) const;

  ClippedRatios clipped(const Tensor& ratio, const Tensor& logps, const Tensor& advantage) const {
    return clip.clipped(ratio, logps, advantage);
  }

 private:
  Tensor candidates(const PolicyTokens& tokens, const CovarianceMeans& means) const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/policy/impl/covariance_clip.ipp"
#endif
