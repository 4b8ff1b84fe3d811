// SPDX-License-Identifier: Apache-2.0
// Independent tasks beside each other, each on one thread: for what gains little from several
// threads of its own, such as LAPACK's decompositions of matrices of moderate size.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "posttrain/tensor/ops.hpp"

namespace posttrain {

/// f(i) for every 0 ≤ i < count, in order of i as threads become free. Where there are several of
/// both, whatever f calls runs on its thread alone. The first exception is thrown again after all
/// threads have ended.
template <class Function>
void parallel_tasks(std::int64_t count, const Function& f) {
  std::atomic<std::int64_t> next{0};
  const std::int64_t workers = std::min<std::int64_t>(count, at::get_num_threads());
  at::parallel_for(0, workers, 1, [&](std::int64_t, std::int64_t) {
    for (std::int64_t i = next++; i < count; i = next++) f(i);
  });
}

}  // namespace posttrain
