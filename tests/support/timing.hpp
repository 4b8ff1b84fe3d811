// SPDX-License-Identifier: Apache-2.0
// How time grows with a size, for tests that tell linear from quadratic.
#pragma once

#include <time.h>

#include <algorithm>
#include <cstddef>

namespace posttrain::test {

/// The least of three runs, in seconds of the processor's time that this thread takes: other
/// programs do not make it longer.
template <class F>
double least_processor_seconds(F&& f) {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  double least = 1e9;
  for (int i = 0; i < 3; ++i) {
    const double begin = now();
    f();
    least = std::min(least, now() - begin);
  }
  return least;
}

/// Whether `work(make(8 * n))` takes less than 28 times as long as `work(make(n))`: 8 times where
/// time is linear, 64 times where it is quadratic. `n` must be large enough for a clock.
template <class Make, class Work>
bool is_linear(std::size_t n, Make&& make, Work&& work) {
  const auto small = make(n), large = make(8 * n);
  const double short_time = least_processor_seconds([&] { work(small); });
  return least_processor_seconds([&] { work(large); }) < 28 * short_time;
}

}  // namespace posttrain::test
