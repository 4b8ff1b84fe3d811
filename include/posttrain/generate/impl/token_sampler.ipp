// SPDX-License-Identifier: Apache-2.0
// Definitions of token_sampler.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cmath>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/generate/token_sampler.hpp"
#include "posttrain/nn/cpu/rows.hpp"
#include "posttrain/tensor/cuda/dispatch.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

namespace detail {

inline void check_draw(const Tensor& logits, std::span<const DrawRow> rows, DrawRecord record) {
  if (!logits.defined() || logits.dim() != 2 || logits.size(1) == 0 ||
      logits.size(0) != static_cast<std::int64_t>(rows.size()) || !logits.is_floating_point()) {
    raise("draw_tokens expected floating logits [{}, V], one row for each of its rows, got {}",
          rows.size(), shape_text(logits));
  }
  if (record.top_logps < 0) {
    raise("draw_tokens expected DrawRecord.top_logps of at least 0, got {}", record.top_logps);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const DrawRow& row = rows[i];
    const auto demand = [i](bool holds, const char* name, double got) {
      if (!holds) raise("draw_tokens: DrawRow.{} of row {} is out of its range: {}", name, i, got);
    };
    demand(row.uniform >= 0.0 && row.uniform < 1.0, "uniform", row.uniform);
    demand(row.temperature >= 0.0 && std::isfinite(row.temperature), "temperature",
           row.temperature);
    demand(row.top_k >= 0, "top_k", static_cast<double>(row.top_k));
    demand(row.top_p > 0.0 && row.top_p <= 1.0, "top_p", row.top_p);
    demand(row.min_p >= 0.0 && row.min_p <= 1.0, "min_p", row.min_p);
    demand(row.repetition_penalty > 0.0 && std::isfinite(row.repetition_penalty),
           "repetition_penalty", row.repetition_penalty);
    demand(std::isfinite(row.presence_penalty), "presence_penalty", row.presence_penalty);
    demand(std::isfinite(row.frequency_penalty), "frequency_penalty", row.frequency_penalty);
  }
}

}  // namespace detail

POSTTRAIN_INLINE Drawn draw_tokens(const Tensor& logits, std::span<const DrawRow> rows,
                                   DrawRecord record) {
  detail::check_draw(logits, rows, record);
  POSTTRAIN_RETURN_ON_CUDA(detail::draws_on_cuda(logits, record),
                           detail::draw_on_cuda(logits, rows, record));
  return detail::has_cpu_kernel(logits) ? detail::draw_by_rows(logits, rows, record)
                                        : detail::draw_by_operations(logits, rows, record);
}

}  // namespace posttrain
