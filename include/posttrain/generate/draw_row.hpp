// SPDX-License-Identifier: Apache-2.0
// What one token is drawn with: the options of its continuation at this place, and the random
// number. Rows of a batch may differ in all of them (token_sampler.hpp).
#pragma once

#include <cstdint>
#include <span>

#include "posttrain/base/sequence.hpp"
#include "posttrain/generate/sampling.hpp"
#include "posttrain/generate/seen_tokens.hpp"

namespace posttrain {

/// What one row is drawn with; ranges as in Sampling. Ids beyond the logits have no effect.
struct DrawRow {
  double uniform = 0.0;  // in [0, 1), of DrawKey; decides the draw
  double temperature = 1.0;
  std::int64_t top_k = 0;
  double top_p = 1.0;
  double min_p = 0.0;
  double repetition_penalty = 1.0;
  double presence_penalty = 0.0;
  double frequency_penalty = 0.0;
  std::span<const TokenId> suppressed{};  // may not be drawn: ends before min_new_tokens
  std::span<const SeenToken> seen{};      // SeenTokens; read only where a penalty is set

  /// The numbers of `sampling`; suppressed and seen are the caller's to set.
  static DrawRow of(const Sampling& sampling, double uniform) {
    return {uniform,
            sampling.temperature,
            sampling.top_k,
            sampling.top_p,
            sampling.min_p,
            sampling.repetition_penalty,
            sampling.presence_penalty,
            sampling.frequency_penalty,
            {},
            {}};
  }
};

}  // namespace posttrain
