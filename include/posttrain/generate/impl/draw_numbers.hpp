// SPDX-License-Identifier: Apache-2.0
// The numbers of a row as both implementations of draw_tokens compute with them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "posttrain/generate/draw_row.hpp"

namespace posttrain::detail {

/// `value` in the range of a float: a conversion from beyond it has no defined result.
inline double within_float(double value) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  return std::clamp(value, -kLargest, kLargest);
}

struct DrawNumbers {
  bool greedy, penalised, changed;  // changed: by suppression or penalties
  double temperature, inverse;      // 1 for greedy rows, which have no filters, either
  double reach;                     // min-p keeps z ≥ max z + reach
  std::int64_t top_k;               // 0: off
  double top_p;

  DrawNumbers(const DrawRow& row, std::int64_t width)
      : greedy(row.temperature == 0.0),
        penalised(!row.seen.empty() &&
                  (row.repetition_penalty != 1.0 || row.presence_penalty != 0.0 ||
                   row.frequency_penalty != 0.0)),
        changed(penalised || !row.suppressed.empty()),
        temperature(greedy ? 1.0 : row.temperature),
        // Neither 0 nor infinite, so that its product with a difference of 0 or −∞ is that again.
        inverse(std::clamp<double>(1.0 / temperature, std::numeric_limits<float>::min(),
                                   std::numeric_limits<float>::max())),
        reach(greedy || row.min_p == 0.0 ? -std::numeric_limits<double>::infinity()
                                         : within_float(temperature * std::log(row.min_p))),
        top_k(greedy || row.top_k >= width ? 0 : row.top_k),
        top_p(greedy ? 1.0 : row.top_p) {}

  bool has_threshold() const { return top_k > 0 || reach > -std::numeric_limits<double>::max(); }
  bool is_filtered() const { return has_threshold() || top_p < 1.0; }
};

/// What frequency and presence take from a logit.
inline double taken_from(const DrawRow& row, const SeenToken& token) {
  if (token.sampled == 0) return 0.0;
  return within_float(row.frequency_penalty * static_cast<double>(token.sampled) +
                      row.presence_penalty);
}

/// Whether an id of the caller's is one of the logits'.
inline bool is_column(TokenId id, std::int64_t width) { return id >= 0 && id < width; }

}  // namespace posttrain::detail
