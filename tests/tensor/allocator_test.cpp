// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/allocator.hpp"

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"

TEST_CASE("a tuned allocator keeps the pages of a freed tensor", "[tensor]") {
  if (!posttrain::tune_allocator()) POSTTRAIN_SKIP("the C library is not glibc");
  CHECK(posttrain::tune_allocator());  // again
#ifdef __GLIBC__
  // Blocks far above the usual threshold of 128 KiB come from the heap, not from mmap.
  const int before = static_cast<int>(mallinfo2().hblks);
  const at::Tensor large = at::ones({64, 1024, 1024}, at::kByte);
  CHECK(static_cast<int>(mallinfo2().hblks) == before);
#endif
}
