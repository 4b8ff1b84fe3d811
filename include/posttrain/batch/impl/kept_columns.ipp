// SPDX-License-Identifier: Apache-2.0
// Definitions of kept_columns.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/batch/kept_columns.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

POSTTRAIN_INLINE KeptColumns KeptColumns::slice(std::int64_t begin, std::int64_t end) const {
  if (!defined()) return {};
  const auto end_of = [&](std::int64_t count) {
    return count > 0 ? ends[static_cast<std::size_t>(count - 1)] : 0;
  };
  const std::int64_t first = end_of(begin), size = end_of(end) - first;
  KeptColumns part{column.narrow(0, first, size), prediction.narrow(0, first, size) - begin, {}};
  for (std::int64_t i = begin; i < end; ++i) {
    part.ends.push_back(ends[static_cast<std::size_t>(i)] - first);
  }
  return part;
}

POSTTRAIN_INLINE void KeptColumns::apply_(const Tensor& logits) const {
  if (!defined()) return;
  at::NoGradGuard no_grad;
  const Tensor z = logits.detach();
  const auto rows = static_cast<std::int64_t>(ends.size());
  if (z.dim() != 2 || z.size(0) < rows) {
    raise("expected logits of at least {} rows, got {} of them", rows, z.size(0));
  }
  std::vector<std::int64_t> whole;  // the rows of which all columns are kept
  for (std::int64_t row = 0, begin = 0; row < rows; ++row) {
    const std::int64_t end = ends[static_cast<std::size_t>(row)];
    if (end == begin) whole.push_back(row);
    begin = end;
  }
  Tensor kept = at::zeros({rows, z.size(1)}, z.options().dtype(at::kBool));
  kept.view({-1}).index_fill_(0, prediction * z.size(1) + column, true);
  if (!whole.empty()) {
    kept.index_fill_(0, uploaded(at::tensor(whole, at::kLong), z.device()), true);
  }
  z.narrow(0, 0, rows)
      .masked_fill_(kept.logical_not_(), z.scalar_type() == at::kHalf ? -6e4 : -1e30);
}

}  // namespace posttrain
