// SPDX-License-Identifier: Apache-2.0
// The tokens of a micro-batch as terms see them that compare those of a whole step: such a term has
// `Statistics gather(const std::vector<PolicyTokens>&) const` and is called with (tokens,
// statistics). And the statistics that several of them, and the loss's entropy, need.
#pragma once

#include <cstdint>
#include <vector>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// [P] each.
struct PolicyTokens {
  Tensor ratio, logps, advantage;
  Tensor draw;  // uniform in [0, 1), keyed by what was sampled
};

/// Means over the tokens of a step, numbers on the device.
struct CovarianceMeans {
  Tensor advantage{}, logps{};
};

CovarianceMeans covariance_means(const std::vector<PolicyTokens>& step);

/// (A − mean A)(log p − mean log p), without a gradient.
Tensor covariances(const PolicyTokens& tokens, const CovarianceMeans& means);

/// max(1, share · count), at most count.
std::int64_t share_of(double share, std::int64_t count);

/// The quantile of all values, interpolated as torch.quantile does, a number on the device.
Tensor step_quantile(const Tensors& values, double quantile);

/// coefficient · max(0, 1 − mean / target), a number on the device.
Tensor faded_coefficient(const Tensors& values, double coefficient, double target);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/policy/impl/tokens.ipp"
#endif
