// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "posttrain/trainer/options.hpp"

namespace posttrain::test {

/// Options of a run of a few large steps that says nothing.
inline Options small_run(std::int64_t steps, std::int64_t batch_size,
                         std::int64_t max_tokens = 1000) {
  Options options;
  options.max_steps = steps;
  options.effective_batch_size = batch_size;
  options.max_tokens_per_batch = max_tokens;
  options.learning_rate = 1e-2;
  options.progress = false;
  return options;
}

}  // namespace posttrain::test
