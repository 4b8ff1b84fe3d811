// SPDX-License-Identifier: Apache-2.0
// From logits to tokens: one draw per row, on any device, with the log-probabilities that
// reinforcement learning needs and what else is to be recorded.
//
// Each row on its own, with numbers of its own: fp32 (double stays double); suppressed ids → −inf;
// z > 0 ? z/θ : zθ for ids that were seen (CTRL, arXiv 1909.05858), then − frequency · count −
// presence for those that were sampled; ÷ T; min-p, z ≥ max z + T log min_p; top-k, all z ≥ the
// k-th largest; top-p of the rest, in the order of descending z and ascending ids, with the token
// that crosses it. The token is the first, in the order of the ids, where the sum of probabilities
// exceeds `uniform` (no race of V exponentials, one random number per token), and one of
// probability 0 is never drawn. No vocabulary is sorted on the CPU: thresholds come from the maxima
// of blocks and from masses above bounds. A row's result does not depend on the rows beside it.
#pragma once

#include <cstdint>
#include <span>

#include "posttrain/generate/draw_row.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// What to record beside the log-probabilities.
struct DrawRecord {
  bool entropy = false;
  std::int64_t top_logps = 0;  // of how many of the likeliest ids
  bool support = false;        // of which ids the filters left; a device is waited for then
};

/// On the logits' device; numbers are float32, float64 for double logits. A greedy row (temperature
/// 0) is drawn from a point, which says nothing of the model: its numbers are those of softmax(z)
/// after suppression and penalties, at temperature 1 and without filters.
///
/// A row with a NaN or +inf among its logits, or with nothing left to draw, has id −1, NaN for its
/// numbers, and no likeliest ids.
struct Drawn {
  Tensor ids;    // [n] int64
  Tensor logps;  // [n] log p under the distribution drawn from, renormalised over what is kept
  Tensor plain_logps;  // [n] log p under softmax(logits / T) of the logits as they came; the same
                       // tensor as logps where no row's options make it differ
  Tensor entropy{};    // [n] of the distribution drawn from; undefined if not asked for
  Tensor top_ids{};    // [n, k] int64, likeliest first, ties by id; −1 where fewer are kept
  Tensor top_logps{};  // [n, k], −inf where fewer are kept
  /// The ids that filters left of each row, one row after another, ascending, and how many of each;
  /// none of a row without filters, or of which they left all. Undefined if not asked for.
  Tensor support{}, support_sizes{};  // [K] int64, [n] int64
};

/// logits [n, V] of any floating type, one of `rows` for each. Without a graph; waits for no
/// device. Throws for shapes that do not fit and for numbers out of their ranges.
Drawn draw_tokens(const Tensor& logits, std::span<const DrawRow> rows, DrawRecord record = {});

namespace detail {

/// By the kernel for float32 and bfloat16 on the CPU.
Drawn draw_by_rows(const Tensor& logits, std::span<const DrawRow> rows, DrawRecord record);

/// By plain operations, any type on any device.
Drawn draw_by_operations(const Tensor& logits, std::span<const DrawRow> rows, DrawRecord record);

}  // namespace detail

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/generate/impl/draw_by_operations.ipp"
#include "posttrain/generate/impl/draw_by_rows.ipp"
#include "posttrain/generate/impl/draw_on_cuda.ipp"
#include "posttrain/generate/impl/token_sampler.ipp"
#endif
