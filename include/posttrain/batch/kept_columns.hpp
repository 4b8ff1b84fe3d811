// SPDX-License-Identifier: Apache-2.0
// Of each prediction's row of logits the columns that it is scored on: the ids that could be drawn
// where sampling cut others off (batch/support.hpp). Softmax, entropy and all other scores are
// those of the distribution over them; the others have probability 0 and no gradient.
#pragma once

#include <cstdint>
#include <vector>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

struct KeptColumns {
  Tensor column{};      // [K] int64, those of one prediction after another; undefined: all of all
  Tensor prediction{};  // [K] int64: whose column it is
  std::vector<std::int64_t> ends{};  // [P] where a prediction's columns end; none: all are kept

  bool defined() const { return column.defined(); }
  /// The predictions [begin, end), numbered from 0.
  KeptColumns slice(std::int64_t begin, std::int64_t end) const;
  /// Logits [n, V], n at least P, with all columns that are not kept so low that their probability
  /// is 0, in place and without a graph. They stay finite, so that products with it are 0.
  void apply_(const Tensor& logits) const;
};

/// A batch whose predictions are scored on some columns.
template <class Batch>
concept KeepsColumns = requires(const Batch& batch) {
  batch.support.slice(0, 0).column;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/batch/impl/kept_columns.ipp"
#endif
