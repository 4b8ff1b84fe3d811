// SPDX-License-Identifier: Apache-2.0
// Weighted sums of losses, each term divided by its own count:
//
//   Dpo{} + 1.0 * OnChosen{NextToken{}}      Σ_pairs / pairs + Σ_tokens / tokens (RPO, 2404.19733)
//
// A term on another batch type says where it acts (losses/on_side.hpp). TRL writes the sum above as
// loss_type = ["sigmoid", "sft"], loss_weights = [1.0, 1.0].
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/concepts/loss.hpp"
#include "posttrain/losses/terms/loss_terms.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

/// A loss times a number, which is a loss.
template <class Loss>
struct Weighted {
  using Batch = typename Loss::Batch;
  static constexpr bool row_local = posttrain::row_local<Loss>();
  static constexpr bool needs_reference = posttrain::needs_reference<Loss>();
  static constexpr bool needs_teacher = posttrain::needs_teacher<Loss>();
  static constexpr std::size_t terms = term_count<Loss>();
  struct Statistics {
    StatisticsOf<Loss> of_loss{};
  };

  Loss loss{};
  double weight = 1.0;

  constexpr void validate() const {
    if (!(weight >= 0.0)) fail("posttrain: the weight of a loss must not be negative");
    if constexpr (requires { loss.validate(); }) loss.validate();
  }

  Need needs() const { return needs_of(loss); }
  std::vector<double> counts(const Batch& batch) const { return term_counts(loss, batch); }
  bool wants_statistics() const { return posttrain::wants_statistics(loss); }
  Statistics gather(const std::vector<Scored<Batch>>& scored) const
      requires(GathersStatistics<Loss>) {
    return {gathered(loss, scored)};
  }
  Tensor mean(const Scores& scores, const Batch& batch, std::span<const double> counts,
              const Statistics& statistics) const {
    return mean_share(loss, scores, batch, counts, statistics.of_loss) * weight;
  }
  void measure(const Scores& scores, const Batch& batch, MetricMeans& means) const {
    measure_scores(loss, scores, batch, means);
  }
};

template <class First, class Second>
struct LossSum {
  using Batch = typename First::Batch;
  static constexpr bool row_local = posttrain::row_local<First>() && posttrain::row_local<Second>();
  static constexpr bool needs_reference =
      posttrain::needs_reference<First>() || posttrain::needs_reference<Second>();
  static constexpr bool needs_teacher =
      posttrain::needs_teacher<First>() || posttrain::needs_teacher<Second>();
  static constexpr std::size_t terms = term_count<First>() + term_count<Second>();
  struct Statistics {
    StatisticsOf<First> first{};
    StatisticsOf<Second> second{};
  };

  First first{};
  Second second{};

  constexpr void validate() const {
    if constexpr (requires { first.validate(); }) first.validate();
    if constexpr (requires { second.validate(); }) second.validate();
  }

  Need needs() const {
    const Need a = needs_of(first), b = needs_of(second);
    if (a.divergence && b.divergence && *a.divergence != *b.divergence) {
      raise("expected one β of all divergences in a sum of losses, got {} and {}", *a.divergence,
            *b.divergence);
    }
    return {.entropy = a.entropy || b.entropy,
            .lse = a.lse || b.lse,
            .mean_logit = a.mean_logit || b.mean_logit,
            .log_sum_sq = a.log_sum_sq || b.log_sum_sq,
            .value = a.value || b.value,
            .divergence = a.divergence ? a.divergence : b.divergence};
  }
  std::vector<double> counts(const Batch& batch) const {
    std::vector<double> all = term_counts(first, batch);
    for (const double count : term_counts(second, batch)) all.push_back(count);
    return all;
  }
  bool wants_statistics() const {
    return posttrain::wants_statistics(first) || posttrain::wants_statistics(second);
  }
  Statistics gather(const std::vector<Scored<Batch>>& scored) const
      requires(GathersStatistics<First> || GathersStatistics<Second>) {
    return {gathered(first, scored), gathered(second, scored)};
  }
  Tensor mean(const Scores& scores, const Batch& batch, std::span<const double> counts,
              const Statistics& statistics) const {
    constexpr std::size_t kFirst = term_count<First>();
    return mean_share(first, scores, batch, counts.first(kFirst), statistics.first) +
           mean_share(second, scores, batch, counts.subspan(kFirst), statistics.second);
  }
  void measure(const Scores& scores, const Batch& batch, MetricMeans& means) const {
    measure_scores(first, scores, batch, means);
    measure_scores(second, scores, batch, means);
  }
};

namespace detail {
/// A term of a sum: it has the parts of a loss.
template <class L>
concept LossTerm = HasBatchType<L> && DeclaresRowLocal<L>;
}  // namespace detail

template <detail::LossTerm Loss>
constexpr Weighted<Loss> operator*(double weight, const Loss& loss) {
  return {loss, weight};
}

template <detail::LossTerm First, detail::LossTerm Second>
constexpr auto operator+(const First& first, const Second& second) {
  constexpr bool agree = std::is_same_v<typename First::Batch, typename Second::Batch>;
  static_assert(agree,
                "posttrain: terms of a sum of losses need one batch type; OnChosen{…} and "
                "OnRejected{…} make a loss on tokens one on pairs [docs/losses.md#sums]");
  if constexpr (agree) {
    return LossSum<First, Second>{first, second};
  } else {
    return first;  // the message is the only error
  }
}

}  // namespace posttrain
