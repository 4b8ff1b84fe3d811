// SPDX-License-Identifier: Apache-2.0
// Two samples of the same size matched by rank, over all micro-batches of a step: the k-th smallest
// value on one side belongs to the k-th smallest on the other (one-dimensional optimal transport).
#pragma once

#include <vector>

#include "posttrain/batch/tokens.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

class Counterparts {
 public:
  Counterparts() = default;

  /// `values[i]` and `others[i]`, [n_i] each, come from batch i; equal values keep their order.
  Counterparts(std::vector<const TokenBatch*> batches, const Tensors& values,
               const Tensors& others);

  /// For each value of that batch its counterpart, [n_i]. The batch is known by its address: it
  /// must be the one that the statistics were gathered from.
  const Tensor& of(const TokenBatch& batch) const;

 private:
  std::vector<const TokenBatch*> batches_;
  Tensors counterparts_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/terms/impl/counterparts.ipp"
#endif
