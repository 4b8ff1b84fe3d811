// SPDX-License-Identifier: Apache-2.0
// Whether a row's product may depend on how many rows there are.
//
// A matrix product adds up in an order that depends on its shape, so a row's last bits depend on
// the rows beside it. Fixed blocks exclude that: every product then goes over blocks of one size.
#pragma once

namespace posttrain {

/// How rows are computed.
enum class RowBlocks {
  any,    // as many at once as there are: fastest. bfloat16: up to four rows by another kernel
  fixed,  // one number at once by one kernel, those that lack as zeros: a row's bits depend on
          // nothing else
};

/// Of this thread's products: `fixed` within a scope PackedMatrices::Use of such
/// (nn/packed_matrices.hpp).
inline RowBlocks& row_blocks_of_thread() {
  static thread_local RowBlocks blocks = RowBlocks::any;
  return blocks;
}

}  // namespace posttrain
