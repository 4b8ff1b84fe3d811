// SPDX-License-Identifier: Apache-2.0
// Definitions of tokens.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cmath>

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/policy/tokens.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE CovarianceMeans covariance_means(const std::vector<PolicyTokens>& step) {
  Tensors advantages, logps;
  for (const PolicyTokens& tokens : step) {
    advantages.push_back(tokens.advantage);
    logps.push_back(tokens.logps);
  }
  return {at::cat(advantages).mean(at::kDouble), at::cat(logps).detach().mean(at::kDouble)};
}

POSTTRAIN_INLINE Tensor covariances(const PolicyTokens& tokens, const CovarianceMeans& means) {
  return (tokens.advantage - means.advantage) * (tokens.logps.detach() - means.logps);
}

POSTTRAIN_INLINE std::int64_t share_of(double share, std::int64_t count) {
  const auto part = static_cast<std::int64_t>(share * static_cast<double>(count));
  return std::min(std::max<std::int64_t>(part, 1), count);
}

POSTTRAIN_INLINE Tensor step_quantile(const Tensors& values, double quantile) {
  const Tensor sorted = std::get<0>(at::cat(values).sort());
  if (sorted.numel() == 0) return at::zeros({}, sorted.options());
  const double place = quantile * static_cast<double>(sorted.numel() - 1);
  const auto below = static_cast<std::int64_t>(std::floor(place));
  const std::int64_t above = std::min(below + 1, sorted.numel() - 1);
  const Tensor low = sorted.select(0, below), high = sorted.select(0, above);
  return low + (high - low) * (place - static_cast<double>(below));
}

POSTTRAIN_INLINE Tensor faded_coefficient(const Tensors& values, double coefficient,
                                          double target) {
  return (1.0 - at::cat(values).mean(at::kDouble) / target).clamp_min(0.0) * coefficient;
}

}  // namespace posttrain
