// SPDX-License-Identifier: Apache-2.0
// Settings of the C library's allocator for programs that train on the CPU.
//
// glibc returns every large block to the system when it is freed, so that each large temporary
// tensor is page-faulted anew at every use; a training step then spends a third to a half of its
// time in the kernel. Three thresholds keep freed memory in the process instead.
#pragma once

#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>

#include <climits>
#endif

namespace posttrain {

/// Keeps freed memory in the process (blocks below 1 GiB come from the heap, the heap is never
/// trimmed and grows by 64 MiB). Process-wide and irreversible: resident memory stays at its
/// maximum. Idempotent; returns false where the C library is not glibc and nothing was done.
inline bool tune_allocator() {
#ifdef __GLIBC__
  static const bool done = [] {
    const int threshold = mallopt(M_MMAP_THRESHOLD, 1 << 30);
    const int trim = mallopt(M_TRIM_THRESHOLD, INT_MAX);
    const int pad = mallopt(M_TOP_PAD, 64 << 20);
    return threshold == 1 && trim == 1 && pad == 1;
  }();
  return done;
#else
  return false;
#endif
}

}  // namespace posttrain
