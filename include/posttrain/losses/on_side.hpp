// SPDX-License-Identifier: Apache-2.0
// A loss on tokens as a loss on pairs: of the chosen answers, or of the rejected ones.
//
//   Dpo{} + 0.2 * OnChosen{NextToken{}}      the likelihood of good answers stays up (RPO, MPO)
//
// Its count is that of the side, so next-token loss keeps its mean over tokens. TRL: loss_type
// "sft".
#pragma once

#include <cstdint>

#include "posttrain/base/error.hpp"
#include "posttrain/batch/pairs.hpp"
#include "posttrain/concepts/loss.hpp"
#include "posttrain/losses/terms/loss_terms.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

/// The predictions of one side of a batch of pairs, [n] int64: of the sequences first, first + 2,
/// ….
/// The predictions of a side, in their order. Their number is known on the host, so that nothing
/// waits for a device that counts them.
inline Tensor side_predictions(const PairBatch& batch, std::int64_t first) {
  std::int64_t count = 0;
  for (auto s = static_cast<std::size_t>(first); s + 1 < batch.offsets.size(); s += 2) {
    count += batch.offsets[s + 1] - batch.offsets[s];
  }
  const Tensor other_side = (batch.sequence_of() % 2 != first).to(at::kByte);
  return at::argsort(other_side, /*stable=*/true, /*dim=*/0, /*descending=*/false)
      .narrow(0, 0, count);
}

inline TokenBatch side_batch(const PairBatch& batch, const Tensor& chosen, std::int64_t first) {
  TokenBatch side = batch;
  const auto pick = [&](const Tensor& all) {
    return all.defined() ? all.index_select(0, chosen) : all;
  };
  side.row = pick(batch.row);
  side.target = pick(batch.target);
  side.weight = pick(batch.weight);
  side.ref_logps = pick(batch.ref_logps);
  side.offsets = {0};
  side.samples.clear();
  for (std::size_t s = static_cast<std::size_t>(first); s + 1 < batch.offsets.size(); s += 2) {
    side.offsets.push_back(side.offsets.back() + batch.offsets[s + 1] - batch.offsets[s]);
    side.samples.push_back(batch.samples[s]);
  }
  return side;
}

/// The loss of every second sequence.
template <class Loss, std::int64_t kFirst>
struct OnSide {
  static_assert(std::is_same_v<typename Loss::Batch, TokenBatch>,
                "posttrain: OnChosen and OnRejected take a loss on tokens [docs/losses.md#sums]");
  static double count(const Loss& loss, const PairBatch& batch) {
    return static_cast<double>(
        loss.count(side_batch(batch, side_predictions(batch, kFirst), kFirst)));
  }
  static Tensor sum(const Loss& loss, const Scores& scores, const PairBatch& batch) {
    const Tensor chosen = side_predictions(batch, kFirst);
    const Scores own =
        scores.map([&](const Tensor& score) { return score.index_select(0, chosen); });
    return loss.sum(own, side_batch(batch, chosen, kFirst));
  }
};

}  // namespace detail

template <class Loss>
struct OnChosen {
  using Batch = PairBatch;
  static constexpr bool row_local = false;  // a slice does not know its sides
  static constexpr bool needs_reference = posttrain::needs_reference<Loss>();

  Loss loss{};

  constexpr void validate() const {
    if constexpr (requires { loss.validate(); }) loss.validate();
  }
  Need needs() const { return needs_of(loss); }
  double count(const PairBatch& batch) const { return detail::OnSide<Loss, 0>::count(loss, batch); }
  Tensor sum(const Scores& scores, const PairBatch& batch) const {
    return detail::OnSide<Loss, 0>::sum(loss, scores, batch);
  }
};

template <class Loss>
struct OnRejected {
  using Batch = PairBatch;
  static constexpr bool row_local = false;
  static constexpr bool needs_reference = posttrain::needs_reference<Loss>();

  Loss loss{};

  constexpr void validate() const {
    if constexpr (requires { loss.validate(); }) loss.validate();
  }
  Need needs() const { return needs_of(loss); }
  double count(const PairBatch& batch) const { return detail::OnSide<Loss, 1>::count(loss, batch); }
  Tensor sum(const Scores& scores, const PairBatch& batch) const {
    return detail::OnSide<Loss, 1>::sum(loss, scores, batch);
  }
};

// clang before 17 does not deduce the argument of an aggregate by itself.
template <class Loss>
OnChosen(Loss) -> OnChosen<Loss>;
template <class Loss>
OnRejected(Loss) -> OnRejected<Loss>;

}  // namespace posttrain
