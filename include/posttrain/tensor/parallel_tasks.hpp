// SPDX-License-Identifier: Apache-2.0
// Independent tasks beside each other, each on one thread: for what gains little from several
// threads of its own, such as LAPACK's decompositions of matrices of moderate size.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "posttrain/tensor/ops.hpp"

/// MKL's number of threads for what the calling thread asks of it; 0: the process's. Absent where
/// LibTorch was built without MKL.
extern "C" __attribute__((weak)) int MKL_Set_Num_Threads_Local(int threads);

namespace posttrain {

namespace detail {

/// While it lives, MKL works on the calling thread alone. It would do so by itself inside of a
/// parallel region, but for at::set_num_threads, which takes this from it (mkl_set_dynamic): a
/// decomposition would then wait forever for threads that a nested region does not get.
class MklOnThisThread {
 public:
  MklOnThisThread() {
    if (MKL_Set_Num_Threads_Local != nullptr) before_ = MKL_Set_Num_Threads_Local(1);
  }
  ~MklOnThisThread() {
    if (MKL_Set_Num_Threads_Local != nullptr) MKL_Set_Num_Threads_Local(before_);
  }
  MklOnThisThread(const MklOnThisThread&) = delete;
  MklOnThisThread& operator=(const MklOnThisThread&) = delete;

 private:
  int before_ = 0;
};

}  // namespace detail

/// f(i) for every 0 ≤ i < count, in order of i as threads become free. Where there are several of
/// both, whatever f calls runs on its thread alone. The first exception is thrown again after all
/// threads have ended.
template <class Function>
void parallel_tasks(std::int64_t count, const Function& f) {
  std::atomic<std::int64_t> next{0};
  const std::int64_t workers = std::min<std::int64_t>(count, at::get_num_threads());
  at::parallel_for(0, workers, 1, [&](std::int64_t, std::int64_t) {
    const detail::MklOnThisThread alone;
    for (std::int64_t i = next++; i < count; i = next++) f(i);
  });
}

}  // namespace posttrain
