// SPDX-License-Identifier: Apache-2.0
// What the stand-in CUDA device (tests/stand_in) counted. It is a libtorch_cuda.so of the tests
// whose folder LD_LIBRARY_PATH names; without it there is none, and `counts_if_loaded` is nullptr.
#pragma once

#include <dlfcn.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace posttrain::stand_in {

struct Counts {
  std::atomic<std::int64_t> operations{0};        // on the device, views not counted
  std::atomic<std::int64_t> kernels{0};           // of these, kernels of the library
  std::atomic<std::int64_t> uploads{0};           // copies from the host to the device
  std::atomic<std::int64_t> blocking_uploads{0};  // of these, from memory that is not page-locked
  std::atomic<std::int64_t> reads{0};             // whatever makes the host wait for the device
  std::atomic<std::size_t> memory{std::size_t{8} << 30};  // of the device, in bytes
  std::atomic<std::size_t> pinned{0}, peak_pinned{0};     // page-locked memory, in bytes

  void reset() {
    operations = kernels = uploads = blocking_uploads = reads = 0;
    peak_pinned = pinned.load();
  }
};

#ifdef POSTTRAIN_IS_STAND_IN
Counts& counts();
#else
inline Counts* counts_if_loaded() {
  using Get = Counts* (*)();
  const auto get = reinterpret_cast<Get>(::dlsym(RTLD_DEFAULT, "posttrain_stand_in_counts"));
  return get ? get() : nullptr;
}
#endif

}  // namespace posttrain::stand_in
