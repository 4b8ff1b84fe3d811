// SPDX-License-Identifier: Apache-2.0
// Definitions of sampling.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cmath>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/generate/sampling.hpp"

namespace posttrain {

POSTTRAIN_INLINE void Sampling::validate() const {
  const auto demand = [](bool holds, std::string_view name, std::string_view range, auto got) {
    if (!holds) raise("posttrain: Sampling.{} must be {}, got {}", name, range, got);
  };
  demand(max_new_tokens >= 1, "max_new_tokens", "at least 1", max_new_tokens);
  demand(min_new_tokens >= 0, "min_new_tokens", "at least 0", min_new_tokens);
  if (min_new_tokens > max_new_tokens) {
    raise("posttrain: Sampling.min_new_tokens must be at most max_new_tokens ({}), got {}",
          max_new_tokens, min_new_tokens);
  }
  // Written so that a NaN is out of every range.
  demand(temperature >= 0.0 && std::isfinite(temperature), "temperature", "at least 0 and finite",
         temperature);
  demand(top_k >= 0, "top_k", "at least 0 (off)", top_k);
  demand(top_p > 0.0 && top_p <= 1.0, "top_p", "in (0, 1]", top_p);
  demand(min_p >= 0.0 && min_p <= 1.0, "min_p", "in [0, 1]", min_p);
  demand(repetition_penalty > 0.0 && std::isfinite(repetition_penalty), "repetition_penalty",
         "above 0 and finite", repetition_penalty);
  demand(std::isfinite(presence_penalty), "presence_penalty", "finite", presence_penalty);
  demand(std::isfinite(frequency_penalty), "frequency_penalty", "finite", frequency_penalty);
  for (const TokenId id : stop_ids) demand(id >= 0, "stop_ids", "ids of tokens", id);
  for (const std::string& text : stop_strings) {
    demand(!text.empty(), "stop_strings", "texts", "an empty one");
  }
  demand(top_logps >= 0, "top_logps", "at least 0", top_logps);
}

}  // namespace posttrain
