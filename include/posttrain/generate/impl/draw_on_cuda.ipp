// SPDX-License-Identifier: Apache-2.0
// draw_tokens by one kernel on CUDA (generate/cuda/draw_rows.hpp).
#pragma once

#ifndef POSTTRAIN_NO_CUDA

#include <cstdint>
#include <span>

#include "posttrain/generate/cuda/draw_rows.hpp"
#include "posttrain/generate/impl/draw_by_operations.ipp"
#include "posttrain/generate/token_sampler.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::detail {

/// Whether the kernel takes these. It lists no support, for which the device is waited for anyway.
inline bool draws_on_cuda(const Tensor& logits, DrawRecord record) {
  return cuda::has_cuda_kernel(logits) && !record.support;
}

inline Drawn draw_on_cuda(const Tensor& logits, std::span<const DrawRow> rows, DrawRecord record) {
  at::NoGradGuard no_grad;
  const std::int64_t n = logits.size(0), width = logits.size(1);
  const DrawTables tables = draw_tables(rows, width, logits.device());
  Tensor raw = logits.detach();
  if (tables.any_changed) raw = raw.to(at::kFloat);
  if (raw.stride(1) != 1) raw = raw.contiguous();
  const Tensor z = changed_logits(raw, tables);
  const at::TensorOptions float32 = raw.options().dtype(at::kFloat);
  const at::TensorOptions int64 = raw.options().dtype(at::kLong);
  Drawn drawn;
  drawn.ids = at::empty({n}, int64);
  drawn.logps = at::empty({n}, float32);
  const bool differ = tables.any_changed || tables.any_filtered;
  const Tensor plain = differ ? at::empty({n}, float32) : Tensor();
  drawn.plain_logps = differ ? plain : drawn.logps;
  if (record.entropy) drawn.entropy = at::empty({n}, float32);
  if (record.top_logps > 0) {
    drawn.top_ids = at::empty({n, record.top_logps}, int64);
    drawn.top_logps = at::empty({n, record.top_logps}, float32);
  }
  const cuda::Variant variant = cuda::variant_of(z, {width, z.stride(0), raw.stride(0)}, {&raw});
  cuda::draw_rows_kernel(variant, {n, variant.threads(width, 1024)}, raw, z, tables.uniform,
                         tables.temperature, tables.inverse, tables.reach, tables.top_p,
                         tables.top_k, tables.cut_by_k, tables.greedy, drawn.ids, drawn.logps,
                         plain, drawn.entropy, drawn.top_ids, drawn.top_logps, raw.stride(0),
                         z.stride(0), width, record.top_logps);
  return drawn;
}

}  // namespace posttrain::detail

#endif
