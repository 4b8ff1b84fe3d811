// SPDX-License-Identifier: Apache-2.0
// The keys and values of all that a generator has read, layer by layer, in ranges of rows.
//
// A prompt or a sample's tail is one range, so that attention reads it as one part. Rows are taken
// before they are written and nothing moves while it is used; memory that nobody has written is not
// there yet on a CPU, so a tail may be taken as long as it can ever get.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "posttrain/generate/pool_ranges.hpp"
#include "posttrain/models/decoder.hpp"

namespace posttrain::detail {

class KeyValuePool {
 public:
  /// `max_bytes`: the most memory of keys and values; 0: no limit.
  KeyValuePool(const models::Decoder& model, std::int64_t max_bytes);

  /// Memory of one row, all layers together.
  std::int64_t bytes_per_row() const { return bytes_per_row_; }
  /// Rows that the limit allows.
  std::int64_t max_rows() const { return max_rows_; }
  std::int64_t taken_rows() const { return ranges_.rows() - ranges_.free_rows(); }
  /// Memory of all rows, taken or not.
  std::int64_t bytes() const { return ranges_.rows() * bytes_per_row_; }

  /// Rows for so many tokens; nothing where the limit leaves no range of that size.
  std::optional<PoolRange> take(std::int64_t rows);
  void give_back(PoolRange range) { ranges_.give_back(range); }
  /// Moves ranges, all that are taken, to the front, so that the free rows lie together.
  void compact(std::span<PoolRange* const> taken);

  /// [rows, Hkv, D] of a layer.
  const Tensor& keys(int layer) const { return keys_[static_cast<std::size_t>(layer)]; }
  const Tensor& values(int layer) const { return values_[static_cast<std::size_t>(layer)]; }

 private:
  void grow(std::int64_t rows);

  const models::Decoder* model_;
  std::int64_t bytes_per_row_, max_rows_;
  PoolRanges ranges_;
  Tensors keys_, values_;
};

/// Copies rows of k and v [n, Hkv, D] to rows of a pool: `from` and `to` [m] int64 on its device;
/// an undefined `from` is all n.
void write_rows(const Tensor& k, const Tensor& v, const Tensor& from, const Tensor& to,
                const Tensor& keys, const Tensor& values);

}  // namespace posttrain::detail

#ifndef POSTTRAIN_COMPILED
#include "posttrain/generate/impl/key_value_pool.ipp"
#endif
