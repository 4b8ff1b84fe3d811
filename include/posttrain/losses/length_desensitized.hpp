// SPDX-License-Identifier: Apache-2.0
// Length desensitisation (LD-DPO, arXiv 2409.06411) of a loss on pairs: of the longer answer,
// tokens beyond the length of the shorter one count only α times, under policy and reference,
//
//   log π(y) = Σ_{t ≤ T} l_t + α Σ_{t > T} l_t,   T = min(T_w, T_l)
//
// α = 1 is the loss itself, 0 ignores the tail. Lengths that a loss divides by stay whole. TRL:
// ld_alpha.
#pragma once

#include <type_traits>
#include <utility>

#include "posttrain/base/error.hpp"
#include "posttrain/concepts/loss.hpp"
#include "posttrain/losses/terms/loss_terms.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

/// For each prediction 1, or `alpha` beyond the shorter answer of its pair, [P].
Tensor tail_factors(const PairBatch& batch, double alpha);

template <class Loss>
struct LengthDesensitized {
  static_assert(ValuesItems<Loss> && !GathersStatistics<Loss> &&
                    std::is_same_v<typename Loss::Batch, PairBatch>,
                "posttrain: LengthDesensitized takes a loss on pairs that does not couple them "
                "[docs/losses.md#lengthdesensitized]");
  using Batch = PairBatch;
  static constexpr bool needs_reference = posttrain::needs_reference<Loss>();

  Loss loss{};
  double alpha = 0.5;  // α in [0, 1]

  constexpr void validate() const {
    if (!(alpha >= 0.0 && alpha <= 1.0)) {
      fail("posttrain: LengthDesensitized.alpha must be in [0, 1]");
    }
    if constexpr (requires { loss.validate(); }) loss.validate();
  }

  /// One value for each pair, [pairs].
  Tensor losses(const Scores& scores, const PairBatch& batch) const {
    const auto [own, desensitized_batch] = desensitized(scores, batch);
    return item_losses(loss, own, desensitized_batch);
  }

  Need needs() const { return needs_of(loss); }
  void measure(const Scores& scores, const PairBatch& batch, MetricMeans& means) const {
    const auto [own, desensitized_batch] = desensitized(scores, batch);
    measure_scores(loss, own, desensitized_batch, means);
  }

 private:
  std::pair<Scores, PairBatch> desensitized(const Scores& scores, const PairBatch& batch) const {
    const Tensor factors = tail_factors(batch, alpha);
    std::pair<Scores, PairBatch> both(scores, batch);
    both.first.logp = scores.logp * factors;
    if (batch.ref_logps.defined()) both.second.ref_logps = batch.ref_logps * factors;
    return both;
  }
};

// clang before 17 does not deduce the argument of an aggregate by itself.
template <class Loss>
LengthDesensitized(Loss) -> LengthDesensitized<Loss>;
template <class Loss>
LengthDesensitized(Loss, double) -> LengthDesensitized<Loss>;

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/impl/length_desensitized.ipp"
#endif
