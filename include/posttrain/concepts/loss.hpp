// SPDX-License-Identifier: Apache-2.0
// Requirements on a loss (docs/concepts.md#loss): what it counts, sums and says of itself.
//
// Signatures only; concepts/check.hpp turns an unfulfilled requirement into its one message.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/fwd.hpp"

namespace posttrain {

template <class L>
concept HasBatchType = requires {
  typename L::Batch;
};

/// One count for each term of a sum of losses (losses/loss_sum.hpp) instead of one.
template <class L>
concept CountsTerms = requires(const L& loss, const typename L::Batch& batch) {
  { loss.counts(batch) } -> std::same_as<std::vector<double>>;
};

/// A loss that couples all sequences of an optimizer step: `gather` sees the scores of all
/// micro-batches before the first backward pass, and `sum` gets what it made of them.
template <class L>
concept GathersStatistics = requires(const L& loss,
                                     const std::vector<Scored<typename L::Batch>>& scored) {
  typename L::Statistics;
  { loss.gather(scored) } -> std::same_as<typename L::Statistics>;
};

namespace detail {
template <class L>
struct StatisticsOf {
  struct type {};
};
template <class L>
requires requires { typename L::Statistics; }
struct StatisticsOf<L> {
  using type = typename L::Statistics;
};
}  // namespace detail

template <class L>
using StatisticsOf = typename detail::StatisticsOf<L>::type;

/// One value for each pair of a batch, from the scores of its answers alone (losses/terms).
template <class L>
concept ValuesPairs = std::same_as<typename L::Batch, PairBatch> &&
    requires(const L& loss, const PairScores& pairs, const StatisticsOf<L>& statistics) {
  requires requires {
    { loss.losses(pairs) } -> std::same_as<Tensor>;
  } || requires {
    { loss.losses(pairs, statistics) } -> std::same_as<Tensor>;
  };
};

/// One value for each item of a batch (pair, answer): `losses` instead of `count` and `sum`.
template <class L>
concept ValuesItems = ValuesPairs<L> ||
    requires(const L& loss, const Scores& scores, const typename L::Batch& batch,
             const StatisticsOf<L>& statistics) {
  { batch.items() } -> std::convertible_to<std::int64_t>;
  requires requires {
    { loss.losses(scores, batch) } -> std::same_as<Tensor>;
  } || requires {
    { loss.losses(scores, batch, statistics) } -> std::same_as<Tensor>;
  };
};

/// A loss with a public member `losses`, of whatever signature.
template <class L>
concept NamesLosses = requires {
  &L::losses;
};

/// Whether a prediction's term needs no other one. That of an item needs all of its predictions.
template <class L>
concept DeclaresRowLocal = ValuesItems<L> || requires {
  { L::row_local } -> std::convertible_to<bool>;
};

template <class L>
constexpr bool row_local() {
  if constexpr (ValuesItems<L>) {
    return false;
  } else {
    return L::row_local;
  }
}

template <class L>
concept CountsBatch = CountsTerms<L> || ValuesItems<L> ||
    requires(const L& loss, const typename L::Batch& batch) {
  { loss.count(batch) } -> std::convertible_to<double>;
};

template <class L>
concept SumsScores = ValuesItems<L> ||
    requires(const L& loss, const Scores& scores, const typename L::Batch& batch,
             const StatisticsOf<L>& statistics, const std::vector<double>& counts) {
  requires requires {
    { loss.sum(scores, batch) } -> std::same_as<Tensor>;
  } || requires {
    { loss.sum(scores, batch, statistics) } -> std::same_as<Tensor>;
  } || requires {
    { loss.mean(scores, batch, std::span(counts), statistics) } -> std::same_as<Tensor>;
  };
};

/// A loss with metrics (tensor/metric_means.hpp): its own, or those of every loss on pairs.
template <class L>
concept MeasuresScores = ValuesPairs<L> ||
    requires(const L& loss, const Scores& scores, const typename L::Batch& batch,
             MetricMeans& means) {
  loss.measure(scores, batch, means);
};

template <class L>
concept LossPolicy = HasBatchType<L> && DeclaresRowLocal<L> && CountsBatch<L> && SumsScores<L>;

/// A loss that changes with the run, by numbers that checkpoints keep (a coefficient that follows a
/// target): `first_state` before the first step, `next_state` after a step by its metrics, and
/// `in_state`, the loss of the next step. Each is a function of its arguments and of the loss's
/// other fields.
template <class L>
concept MovesWithRun = requires(const L& loss, const std::vector<double>& state,
                                const std::vector<std::pair<std::string, double>>& metrics) {
  { loss.first_state() } -> std::same_as<std::vector<double>>;
  { loss.next_state(state, metrics) } -> std::same_as<std::vector<double>>;
  { loss.in_state(state) } -> std::same_as<L>;
};

/// A loss with one of these members, of whatever signature.
template <class L>
concept NamesRunState = requires {
  &L::first_state;
}
|| requires { &L::next_state; }
|| requires { &L::in_state; };

/// A loss that trains a critic says `static constexpr bool needs_critic = true`.
template <class L>
constexpr bool needs_critic() {
  if constexpr (requires { L::needs_critic; }) return L::needs_critic;
  return false;
}

/// A loss that compares with a teacher says `static constexpr bool needs_teacher = true`.
template <class L>
constexpr bool needs_teacher() {
  if constexpr (requires { L::needs_teacher; }) return L::needs_teacher;
  return false;
}

/// A loss that compares with a reference says `static constexpr bool needs_reference = true`.
template <class L>
constexpr bool needs_reference() {
  if constexpr (requires { L::needs_reference; }) return L::needs_reference;
  return false;
}

}  // namespace posttrain
