// SPDX-License-Identifier: Apache-2.0
// KL-Cov (arXiv 2505.22617): −w A, and for the share of tokens of the optimizer step with the
// greatest covariance of log-probability and advantage (covariance_clip.hpp) the distance to the
// old policy, + coefficient · |log w|.
//
// verl: kl_cov, over a micro-batch.
#pragma once

#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/losses/policy/tokens.hpp"

namespace posttrain {

struct CovarianceKl {
  /// Numbers on the device.
  struct Statistics {
    CovarianceMeans means{};
    Tensor threshold{};  // tokens with a covariance of at least this
  };

  double share = 0.0002;
  double coefficient = 1.0;

  constexpr void validate() const {
    if (!(share >= 0.0 && share <= 1.0)) fail("posttrain: CovarianceKl.share must be in [0, 1]");
    if (!(coefficient >= 0.0)) fail("posttrain: CovarianceKl.coefficient must not be negative");
  }

  Statistics gather(const std::vector<PolicyTokens>& step) const;
  Tensor operator()(const PolicyTokens& tokens, const Statistics& statistics) const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/policy/impl/covariance_kl.ipp"
#endif
