// SPDX-License-Identifier: Apache-2.0
// Weighted preference optimisation (arXiv 2406.11827, equation 2): a loss on pairs whose pairs
// count by how likely the policy is to write them itself,
//
//   L = mean over pairs of w(y_w) w(y_l) · loss,   w(y) = exp(mean over tokens of log p − log Σ p²)
//
// The weights carry no gradient; Σ p² over the vocabulary is the expected p of a token that the
// policy samples. TRL: use_weighting.
#pragma once

#include <type_traits>

#include "posttrain/concepts/loss.hpp"
#include "posttrain/losses/terms/loss_terms.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"

namespace posttrain {

template <class Loss>
struct Wpo {
  static_assert(ValuesItems<Loss> && !GathersStatistics<Loss> &&
                    std::is_same_v<typename Loss::Batch, PairBatch>,
                "posttrain: Wpo takes a loss on pairs that does not couple them "
                "[docs/losses.md#wpo]");
  using Batch = PairBatch;
  static constexpr bool needs_reference = posttrain::needs_reference<Loss>();

  Loss loss{};

  constexpr void validate() const {
    if constexpr (requires { loss.validate(); }) loss.validate();
  }

  /// One value for each pair, [pairs].
  Tensor losses(const Scores& scores, const PairBatch& batch) const {
    Scores aligned;
    aligned.logp = scores.logp.detach() - scores.log_sum_sq;
    const PairScores pairs = pair_scores(aligned, batch);
    const Tensor weights = exp(pairs.chosen.mean_logps() + pairs.rejected.mean_logps());
    return item_losses(loss, scores, batch) * weights;
  }

  Need needs() const {
    Need need = needs_of(loss);
    need.log_sum_sq = true;
    return need;
  }
  void measure(const Scores& scores, const PairBatch& batch, MetricMeans& means) const {
    measure_scores(loss, scores, batch, means);
  }
};

// clang before 17 does not deduce the argument of an aggregate by itself.
template <class Loss>
Wpo(Loss) -> Wpo<Loss>;

}  // namespace posttrain
