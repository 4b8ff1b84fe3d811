// SPDX-License-Identifier: Apache-2.0
// Definitions of packed_matrices.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cstdint>
#include <limits>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/nn/gemm.hpp"
#include "posttrain/nn/packed_matrices.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE PackedMatrices::PackedMatrices(RowBlocks blocks) : blocks_(blocks) {}

POSTTRAIN_INLINE std::int64_t PackedMatrices::max_rows() const {
  return blocks_ == RowBlocks::any ? 512 : std::numeric_limits<std::int64_t>::max();
}

POSTTRAIN_INLINE Tensor PackedMatrices::times(const Tensor& x, const Tensor& w) {
  if (x.dim() != 2 || x.size(0) > max_rows() || x.scalar_type() != w.scalar_type() || !x.is_cpu() ||
      !PackedMatrix::packs(w) || x.size(1) != w.size(1)) {
    return {};
  }
  const Key key(w.const_data_ptr(), w.scalar_type(), w.size(0), w.size(1), w.stride(0),
                w.stride(1));
  auto found = packed_.find(key);
  if (found == packed_.end()) {
    found = packed_.emplace(key, Entry{w, PackedMatrix(w)}).first;
  }
  return found->second.matrix.times(x, blocks_);
}

POSTTRAIN_INLINE std::int64_t PackedMatrices::bytes() const {
  std::int64_t sum = 0;
  for (const auto& [key, entry] : packed_) sum += entry.matrix.bytes();
  return sum;
}

POSTTRAIN_INLINE PackedMatrices*& PackedMatrices::current_of_thread() {
  static thread_local PackedMatrices* current = nullptr;
  return current;
}

POSTTRAIN_INLINE PackedMatrices* PackedMatrices::current() { return current_of_thread(); }

POSTTRAIN_INLINE PackedMatrices::Use::Use(PackedMatrices& packed)
    : before_(std::exchange(current_of_thread(), &packed)),
      blocks_before_(std::exchange(row_blocks_of_thread(), packed.blocks())) {}

POSTTRAIN_INLINE PackedMatrices::Use::~Use() {
  current_of_thread() = before_;
  row_blocks_of_thread() = blocks_before_;
}

POSTTRAIN_INLINE Tensor matmul_kept(const Tensor& x, const Tensor& w) {
  if (PackedMatrices* packed = PackedMatrices::current()) {
    if (Tensor y = packed->times(x, w); y.defined()) return y;
  }
  return matmul_nt(x, w);
}

}  // namespace posttrain
