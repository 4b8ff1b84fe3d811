// SPDX-License-Identifier: Apache-2.0
// Means and deviations of numbers on the host, in double and in two passes.
//
// Whether numbers are equal is asked of the numbers, never of a small deviation: rounding leaves
// one of equal numbers, too.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

namespace posttrain {

/// No two different numbers are there.
inline bool all_equal(std::span<const double> numbers) {
  return std::all_of(numbers.begin(), numbers.end(),
                     [&](double number) { return number == numbers.front(); });
}

/// Of at least one number.
inline double mean_of(std::span<const double> numbers) {
  double sum = 0.0;
  for (const double number : numbers) sum += number;
  return sum / static_cast<double>(numbers.size());
}

/// Unbiased (N − 1); 0 of equal numbers.
inline double variance_of(std::span<const double> numbers) {
  if (all_equal(numbers)) return 0.0;
  const double mean = mean_of(numbers);
  double sum = 0.0;
  for (const double number : numbers) sum += (number - mean) * (number - mean);
  return sum / static_cast<double>(numbers.size() - 1);
}

inline double deviation_of(std::span<const double> numbers) {
  return std::sqrt(variance_of(numbers));
}

}  // namespace posttrain
