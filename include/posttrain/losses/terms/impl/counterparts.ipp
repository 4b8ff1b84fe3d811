// SPDX-License-Identifier: Apache-2.0
// Definitions of counterparts.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <tuple>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/counterparts.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE Counterparts::Counterparts(std::vector<const TokenBatch*> batches,
                                            const Tensors& values, const Tensors& others)
    : batches_(std::move(batches)) {
  const Tensor all = at::cat(values);
  const Tensor order = std::get<1>(all.sort(/*stable=*/true, 0, /*descending=*/false));
  const Tensor sorted = std::get<0>(at::cat(others).sort(/*stable=*/true, 0, false));
  const Tensor matched = at::empty_like(all).index_copy_(0, order, sorted);
  std::int64_t begin = 0;
  for (const Tensor& part : values) {
    counterparts_.push_back(matched.narrow(0, begin, part.numel()));
    begin += part.numel();
  }
}

POSTTRAIN_INLINE const Tensor& Counterparts::of(const TokenBatch& batch) const {
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    if (batches_[i] == &batch) return counterparts_[i];
  }
  fail("a loss that matches pairs by rank expected a batch that it gathered, got another one");
}

}  // namespace posttrain
