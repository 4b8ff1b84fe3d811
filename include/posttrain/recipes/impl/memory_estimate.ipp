// SPDX-License-Identifier: Apache-2.0
// Definitions of memory_estimate.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "posttrain/base/compiled.hpp"
#include "posttrain/recipes/memory_estimate.hpp"

namespace posttrain {

POSTTRAIN_INLINE std::string MemoryEstimate::text() const {
  std::string lines;
  const auto add = [&](const char* what, std::int64_t bytes) {
    if (bytes == 0) return;
    lines += fmt::format("{:<13} {:>10.1f} MB\n", what, 1e-6 * static_cast<double>(bytes));
  };
  add("weights", weights);
  add("gradients", gradients);
  add("masters", masters);
  add("moments", moments);
  add("subspaces", subspaces);
  add("reference", reference);
  add("workspace", workspace);
  add("activations", activations);
  add("head", head);
  add("layer", layer);
  add("attention", attention);
  add("forward", forward);
  add("rollout cache", rollout_cache);
  add("loading", loading);
  add("process", process);
  const auto gigabytes = [](std::int64_t bytes) { return 1e-9 * static_cast<double>(bytes); };
  return lines + fmt::format("peak {:.2f} GB, from {:.2f} to {:.2f}", gigabytes(mid),
                             gigabytes(low), gigabytes(high));
}

}  // namespace posttrain
