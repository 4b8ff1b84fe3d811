// SPDX-License-Identifier: Apache-2.0
// A matrix in the form that products with few rows read: y = x wᵀ while a model decodes.
//
// A BLAS brings w into such a form on every call, which costs as much as the product of some dozen
// rows. Here it is done once; the panels have w's dtype and take as much memory again
// (nn/cpu/packed_panels.hpp). Which of a model's matrices are packed, and how long:
// nn/packed_matrices.hpp.
#pragma once

#include <cstdint>

#include "posttrain/nn/row_blocks.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

class PackedMatrix {
 public:
  /// w [out, in], strided is fine; an error where `packs(w)` is false. w is not kept.
  explicit PackedMatrix(const Tensor& w);

  /// Whether there are kernels for it: a CPU tensor [out, in] of float32 or bfloat16 that is not
  /// empty, on a processor with AVX2, unless POSTTRAIN_KERNELS=generic.
  static bool packs(const Tensor& w);

  /// x wᵀ without a graph: x [m, in] of w's dtype, strided is fine, gives [m, out]. Sums are in
  /// float32 and rounded once. A row's result is the same for any number of threads, and with
  /// RowBlocks::fixed for any number of rows and any place among them.
  Tensor times(const Tensor& x, RowBlocks blocks = RowBlocks::any) const;

  std::int64_t out() const { return out_; }
  std::int64_t in() const { return in_; }
  std::int64_t bytes() const;

 private:
  std::int64_t out_, in_;
  Tensor panels_;  // [⌈out / 48⌉, in (bfloat16: even), 48]
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/packed_matrix.ipp"
#endif
