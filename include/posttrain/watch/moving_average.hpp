// SPDX-License-Identifier: Apache-2.0
// The exponential moving average that curves are smoothed by.
#pragma once

#include <cstdint>
#include <vector>

namespace posttrain::watch {

/// y₀ = x₀, yₜ = α xₜ + (1 − α) yₜ₋₁ with α = 2 / (span + 1): pandas' ewm(span,
/// adjust=False).mean(), Training Hub's smoothing. `span` is at least 1, which changes nothing.
inline std::vector<double> moving_average(std::vector<double> values, std::int64_t span) {
  const double alpha = 2.0 / (static_cast<double>(span) + 1.0);
  for (std::size_t i = 1; i < values.size(); ++i) {
    values[i] = alpha * values[i] + (1.0 - alpha) * values[i - 1];
  }
  return values;
}

}  // namespace posttrain::watch
