// SPDX-License-Identifier: Apache-2.0
// Definitions of key_value_pool.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>

#include "posttrain/base/compiled.hpp"
#include "posttrain/generate/key_value_pool.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::detail {

POSTTRAIN_INLINE KeyValuePool::KeyValuePool(const models::Decoder& model, std::int64_t max_bytes)
    : model_(&model) {
  const models::DecoderConfig& config = model.config();
  const auto numbers = 2 * config.num_layers() * config.num_kv_heads * config.head_dim;
  bytes_per_row_ = numbers * static_cast<std::int64_t>(c10::elementSize(model.dtype()));
  max_rows_ = max_bytes > 0 ? max_bytes / bytes_per_row_
                            : std::numeric_limits<std::int64_t>::max() / bytes_per_row_;
  keys_.resize(static_cast<std::size_t>(config.num_layers()));
  values_.resize(keys_.size());
}

POSTTRAIN_INLINE void KeyValuePool::grow(std::int64_t rows) {
  const models::DecoderConfig& config = model_->config();
  const auto options = at::TensorOptions(model_->device()).dtype(model_->dtype());
  const std::int64_t before = ranges_.rows();
  for (Tensors* all : {&keys_, &values_}) {
    for (Tensor& each : *all) {
      Tensor more = at::empty({before + rows, config.num_kv_heads, config.head_dim}, options);
      if (before > 0) more.narrow(0, 0, before).copy_(each);
      each = more;
    }
  }
  ranges_.grow(rows);
}

POSTTRAIN_INLINE std::optional<PoolRange> KeyValuePool::take(std::int64_t rows) {
  if (const auto range = ranges_.take(rows)) return range;
  const std::int64_t room = max_rows_ - ranges_.rows();
  if (rows > room) {
    if (room > 0) grow(room);  // its last rows may complete a hole at the end
    return ranges_.take(rows);
  }
  // At least doubled, so that all copies together cost no more than one of the largest.
  grow(std::min(room, std::max({rows, ranges_.rows(), std::int64_t{1024}})));
  return ranges_.take(rows);
}

POSTTRAIN_INLINE void KeyValuePool::compact(std::span<PoolRange* const> taken) {
  std::vector<PoolRange*> sorted(taken.begin(), taken.end());
  std::ranges::sort(sorted, {}, [](const PoolRange* range) { return range->begin; });
  std::int64_t end = 0;
  for (PoolRange* range : sorted) {
    if (range->size > 0 && range->begin != end) {
      for (const Tensors* all : {&keys_, &values_}) {
        for (const Tensor& each : *all) {
          // The rows may overlap with where they go.
          const Tensor moved = each.narrow(0, range->begin, range->size).clone();
          each.narrow(0, end, range->size).copy_(moved);
        }
      }
    }
    if (range->size > 0) range->begin = end;
    end += range->size;
  }
  const std::int64_t rows = ranges_.rows();
  ranges_ = PoolRanges();
  ranges_.grow(rows);
  ranges_.take(end);
}

POSTTRAIN_INLINE void write_rows(const Tensor& k, const Tensor& v, const Tensor& from,
                                 const Tensor& to, const Tensor& keys, const Tensor& values) {
  const auto write = [&](const Tensor& source, const Tensor& target) {
    const std::int64_t width = source.size(1) * source.size(2);
    const bool rows_lie_together = source.stride(2) == 1 && source.stride(1) == source.size(2);
    if (!source.is_cpu() || !rows_lie_together) {
      Tensor all = target;
      all.index_copy_(0, to, from.defined() ? at::index_select(source, 0, from) : source);
      return;
    }
    const std::size_t element = source.element_size();
    const auto* in = static_cast<const char*>(source.const_data_ptr());
    auto* out = static_cast<char*>(target.mutable_data_ptr());
    const auto* rows = to.const_data_ptr<std::int64_t>();
    const auto* chosen = from.defined() ? from.const_data_ptr<std::int64_t>() : nullptr;
    for (std::int64_t i = 0; i < to.size(0); ++i) {
      const std::int64_t row = chosen != nullptr ? chosen[i] : i;
      std::memcpy(out + static_cast<std::size_t>(rows[i] * target.stride(0)) * element,
                  in + static_cast<std::size_t>(row * source.stride(0)) * element,
                  static_cast<std::size_t>(width) * element);
    }
  };
  write(k, keys);
  write(v, values);
}

}  // namespace posttrain::detail
