// SPDX-License-Identifier: Apache-2.0
// One face for all losses: with one term or a sum of several, with statistics of the whole step or
// without, with a sum or with a value for each item. The trainer, and a sum of its terms, ask
// through these functions alone.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "posttrain/concepts/loss.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/tensor/metric_means.hpp"

namespace posttrain {

/// The number of terms with a count of their own.
template <class Loss>
constexpr std::size_t term_count() {
  if constexpr (CountsTerms<Loss>) return Loss::terms;
  return 1;
}

/// One count for each term.
template <class Loss>
std::vector<double> term_counts(const Loss& loss, const typename Loss::Batch& batch) {
  if constexpr (CountsTerms<Loss>) {
    return loss.counts(batch);
  } else if constexpr (ValuesItems<Loss>) {
    return {static_cast<double>(batch.items())};
  } else {
    return {static_cast<double>(loss.count(batch))};
  }
}

/// Whether a loss gathers statistics. One that can and does not always (a loss that is chosen at
/// run time) has `bool wants_statistics() const`.
template <class Loss>
bool wants_statistics(const Loss& loss) {
  if constexpr (!GathersStatistics<Loss>) {
    return false;
  } else if constexpr (requires { loss.wants_statistics(); }) {
    return loss.wants_statistics();
  } else {
    return true;
  }
}

/// The statistics that a loss gathers from the scores of a whole step; empty if it gathers none.
template <class Loss>
StatisticsOf<Loss> gathered(const Loss& loss,
                            const std::vector<Scored<typename Loss::Batch>>& scored) {
  if constexpr (GathersStatistics<Loss>) {
    return loss.gather(scored);
  } else {
    return {};
  }
}

/// One value for each item of the batch, [items].
template <ValuesItems Loss>
Tensor item_losses(const Loss& loss, const Scores& scores, const typename Loss::Batch& batch,
                   const StatisticsOf<Loss>& statistics = {}) {
  if constexpr (ValuesPairs<Loss> && GathersStatistics<Loss>) {
    return loss.losses(pair_scores(scores, batch), statistics);
  } else if constexpr (ValuesPairs<Loss>) {
    return loss.losses(pair_scores(scores, batch));
  } else if constexpr (GathersStatistics<Loss>) {
    return loss.losses(scores, batch, statistics);
  } else {
    return loss.losses(scores, batch);
  }
}

/// The sum of a loss that has one term.
template <class Loss>
Tensor term_sum(const Loss& loss, const Scores& scores, const typename Loss::Batch& batch,
                const StatisticsOf<Loss>& statistics) {
  if constexpr (ValuesItems<Loss>) {
    return item_losses(loss, scores, batch, statistics).sum();
  } else if constexpr (GathersStatistics<Loss>) {
    return loss.sum(scores, batch, statistics);
  } else {
    return loss.sum(scores, batch);
  }
}

/// Σ over terms of sum / count for one micro-batch. A term whose count is 0 in the whole step
/// adds a zero with a graph.
template <class Loss>
Tensor mean_share(const Loss& loss, const Scores& scores, const typename Loss::Batch& batch,
                  std::span<const double> counts, const StatisticsOf<Loss>& statistics) {
  if constexpr (CountsTerms<Loss>) {
    return loss.mean(scores, batch, counts, statistics);
  } else {
    const double factor = counts[0] > 0.0 ? 1.0 / counts[0] : 0.0;
    return factor * term_sum(loss, scores, batch, statistics);
  }
}

template <class Loss>
Need needs_of(const Loss& loss) {
  if constexpr (requires { loss.needs(); }) {
    return loss.needs();
  } else if constexpr (ValuesPairs<Loss>) {
    return preference_needs();
  } else {
    return {};
  }
}

template <class Loss>
void measure_scores(const Loss& loss, const Scores& scores, const typename Loss::Batch& batch,
                    MetricMeans& means) {
  if constexpr (requires { loss.measure(scores, batch, means); }) {
    loss.measure(scores, batch, means);
  } else if constexpr (ValuesPairs<Loss>) {
    measure_pairs(loss, scores, batch, means);
  }
}

}  // namespace posttrain
