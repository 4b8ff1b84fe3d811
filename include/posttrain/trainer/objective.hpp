// SPDX-License-Identifier: Apache-2.0
// The objective of an optimizer step: the loss's sum over all micro-batches, divided once by its
// count over all of them.
//
// The counts are known before the first backward pass, so a micro-batch contributes sum / count by
// itself and splitting changes nothing. A sum of losses has a count for each term. A loss that
// couples the whole step first sees the scores of every micro-batch (`gather`).
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "posttrain/concepts/loss.hpp"
#include "posttrain/losses/terms/loss_terms.hpp"
#include "posttrain/tensor/metric_means.hpp"

namespace posttrain {

template <class Loss>
class Objective {
 public:
  using Batch = typename Loss::Batch;
  static constexpr bool row_local = posttrain::row_local<Loss>();
  static constexpr bool gathers = GathersStatistics<Loss>;

  Objective(const Loss& loss, const std::vector<Batch>& batches)
      : loss_(&loss), counts_(term_count<Loss>(), 0.0) {
    for (const Batch& batch : batches) {
      const std::vector<double> counts = term_counts(loss, batch);
      for (std::size_t i = 0; i < counts.size(); ++i) counts_[i] += counts[i];
    }
  }

  /// Nothing is scored in the whole step.
  bool empty() const {
    return std::none_of(counts_.begin(), counts_.end(), [](double count) { return count > 0.0; });
  }

  /// Whether `gather` wants the scores of the whole step.
  bool wants_statistics() const { return posttrain::wants_statistics(*loss_); }
  void gather(const std::vector<Scored<Batch>>& scored) { statistics_ = gathered(*loss_, scored); }

  /// The share of one micro-batch (or of a slice of it, if the loss is row-local) in the mean.
  Tensor sum(const Scores& scores, const Batch& batch) const {
    measure_scores(*loss_, scores.map([](const Tensor& score) { return score.detach(); }), batch,
                   means_);
    return mean_share(*loss_, scores, batch, counts_, statistics_);
  }

  /// The loss's own metrics over what was summed so far.
  const MetricMeans& means() const { return means_; }

 private:
  const Loss* loss_;
  std::vector<double> counts_;
  StatisticsOf<Loss> statistics_{};
  mutable MetricMeans means_;
};

}  // namespace posttrain
