// SPDX-License-Identifier: Apache-2.0
// The packed forms of a model's matrices while it generates (nn/packed_matrix.hpp).
//
// Decoding multiplies a few rows with the same matrices again and again. Within a scope `Use`,
// `linear` and the sites of parameter policies take products of few rows from panels, each packed
// at its first use, but only where no graph is recorded and only of matrices that are
// `Weight::kept`: those that lie in memory of their own between two changes of the parameters. What
// a storage dequantises for one product is not.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>

#include "posttrain/nn/packed_matrix.hpp"

namespace posttrain {

/// The rule: whoever changes a weight that may be packed here (an optimizer's step, `publish`, a
/// replaced matrix, a loaded checkpoint) calls `clear` before the next product under `Use`. Panels
/// are found by a weight's memory, shape and strides, never by its values, so a forgotten `clear`
/// computes with the old weights. Not for use by several threads at once.
class PackedMatrices {
 public:
  /// RowBlocks::fixed: a row's result is the same to the bit whatever it is computed with, so all
  /// products go over panels, those of many rows as well; `max_rows` is then without a limit.
  explicit PackedMatrices(RowBlocks blocks = RowBlocks::any);
  PackedMatrices(const PackedMatrices&) = delete;
  PackedMatrices& operator=(const PackedMatrices&) = delete;

  /// x wᵀ without a graph, x [m, in], w [out, in]; undefined where it is left to `matmul_nt`: more
  /// than `max_rows` rows, or a matrix or an x that PackedMatrix does not take.
  Tensor times(const Tensor& x, const Tensor& w);

  /// Rows up to which panels are used: 512, from which on a BLAS packs in no time, or all. Between
  /// 64 and there a BLAS is as fast only for multiples of 32.
  std::int64_t max_rows() const;
  RowBlocks blocks() const { return blocks_; }
  /// How many matrices are packed, and the memory of their panels.
  std::int64_t size() const { return static_cast<std::int64_t>(packed_.size()); }
  std::int64_t bytes() const;
  /// Forgets all panels, and the weights that it held.
  void clear() { packed_.clear(); }

  /// Makes one the current one of this thread; the one before is back afterwards.
  class Use {
   public:
    explicit Use(PackedMatrices& packed);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    PackedMatrices* before_;
    RowBlocks blocks_before_;
  };

  /// Of this thread; null outside of any `Use`.
  static PackedMatrices* current();

 private:
  using Key = std::tuple<const void*, at::ScalarType, std::int64_t, std::int64_t, std::int64_t,
                         std::int64_t>;
  struct Entry {
    Tensor weight;  // held, so that no other matrix gets its memory
    PackedMatrix matrix;
  };

  static PackedMatrices*& current_of_thread();

  RowBlocks blocks_;
  std::map<Key, Entry> packed_;
};

/// x wᵀ as `matmul_nt`, over the panels of the current PackedMatrices where they are of use. Only
/// for a w that stays as it is until they are cleared, and where no graph is recorded for x.
Tensor matmul_kept(const Tensor& x, const Tensor& w);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/packed_matrices.ipp"
#endif
