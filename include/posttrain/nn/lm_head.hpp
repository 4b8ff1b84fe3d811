// SPDX-License-Identifier: Apache-2.0
// Scores of predictions through the LM head, chunk by chunk, and the loss's gradient in the same
// pass.
//
// The head is a functor `logits(rows [n, d]) → [n, V]`, never a raw weight: adapters, soft-caps and
// multipliers apply by construction. At no time does more than one chunk of logits exist. A
// row-local loss is evaluated and differentiated inside the chunk loop (its normaliser is known
// before), as is any loss whose batch fits one chunk; another loss is evaluated on the scores of
// the whole batch, and a second pass over the chunks carries its gradients back. (TRL calls the
// first `chunked_nll`, and recomputes.)
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "posttrain/batch/kept_columns.hpp"
#include "posttrain/batch/tokens.hpp"

namespace posttrain {

/// The scores that a loss asks for besides the log-probability of the target, which is always
/// there.
struct Need {
  bool entropy = false;
  bool lse = false;
  bool mean_logit = false;
  bool log_sum_sq = false;
  bool value = false;                  // of a critic (concepts/gate.hpp)
  std::optional<double> divergence{};  // from a teacher: its β (nn/divergence.hpp)
};

/// A loss on rewards asks for Scores::reward.
constexpr Need reward_needs() { return {.mean_logit = true}; }

/// Per prediction, [P], fp32 (fp64 for fp64 logits). A score that was not asked for is undefined.
struct Scores {
  Tensor logp;          // log softmax(z)[target]
  Tensor entropy;       // −Σ p log p
  Tensor lse;           // log Σ exp z
  Tensor mean_logit;    // Σ z / V
  Tensor log_sum_sq{};  // log Σ p²; never carries a gradient
  Tensor value{};       // a critic's, of what stands before the target
  Tensor divergence{};  // from the teacher's distribution

  /// The reward of a model whose head gives one number: with one logit in a row, their mean.
  const Tensor& reward() const { return mean_logit; }

  /// A copy with `change` applied to each field that is there.
  template <class Change>
  Scores map(const Change& change) const;
};

/// Every score.
inline constexpr Tensor Scores::*kScoreFields[] = {
    &Scores::logp,       &Scores::entropy, &Scores::lse,       &Scores::mean_logit,
    &Scores::log_sum_sq, &Scores::value,   &Scores::divergence};

template <class Change>
Scores Scores::map(const Change& change) const {
  Scores changed;
  for (const auto field : kScoreFields) {
    if ((this->*field).defined()) changed.*field = change(this->*field);
  }
  return changed;
}

/// A micro-batch of a step as a loss sees it before the first backward pass: without a graph, and
/// scored only when asked.
template <class Batch>
class Scored {
 public:
  using Policy = std::function<Scores(const TokenBatch&)>;
  using Reference = std::function<Tensor(const TokenBatch&)>;

  Scored(const Batch& batch, std::function<Scores()> own, Policy policy, Reference reference)
      : batch_(&batch),
        own_(std::move(own)),
        policy_(std::move(policy)),
        reference_(std::move(reference)) {}

  const Batch& batch() const { return *batch_; }

  const Scores& scores() const {
    if (!scores_.logp.defined()) scores_ = own_();
    return scores_;
  }

  /// Scores of tokens that are not trained on, and their log p under the reference (of losses that
  /// need one).
  Scores scores_of(const TokenBatch& other) const { return policy_(other); }
  Tensor ref_logps_of(const TokenBatch& other) const { return reference_(other); }

 private:
  const Batch* batch_;
  std::function<Scores()> own_;
  Policy policy_;
  Reference reference_;
  mutable Scores scores_{};
};

/// Rows per chunk: about 32 Mi logits, at least 128 rows (fewer starve the GEMM), at most 1,024; a
/// multiple of 32. On another device 512 Mi logits and up to 16,384 rows: a product is over sooner,
/// and each chunk reads the whole head.
inline std::int64_t head_chunk_rows(std::int64_t vocab_size, at::Device device = at::kCPU) {
  const std::int64_t mebi = device.is_cpu() ? 32 : 512, most = device.is_cpu() ? 1024 : 16384;
  const std::int64_t rows = (mebi << 20) / std::max<std::int64_t>(vocab_size, 1);
  return std::clamp<std::int64_t>(rows / 32 * 32, 128, most);
}

/// Differentiable scores of a chunk. The backward pass overwrites `logits` and the teacher's, so
/// nothing else may keep them. `teacher` [n, V]: of a divergence.
Scores score_logits(const Tensor& logits, const Tensor& target, Need need,
                    const Tensor& teacher = {});

/// Hidden rows [T, d₁], [T, d₂], … beside each other, [T, Σ d].
Tensor beside(const Tensors& pieces);

/// What scores hidden rows [n, d].
struct ScoringHead {
  using Function = std::function<Tensor(const Tensor&)>;

  ScoringHead(Function all_logits, Function all_values = {}, Function of_teacher = {})
      : logits(std::move(all_logits)),
        values(std::move(all_values)),
        teacher(std::move(of_teacher)) {}
  template <std::invocable<const Tensor&> Logits>
  ScoringHead(const Logits& all_logits) : logits(all_logits) {}

  Function logits;   // [n, V], fresh memory
  Function values;   // [n]; none: there is no critic
  Function teacher;  // logits [n, V], fresh memory; none: there is no teacher
};

/// The hidden rows that are scored and the tokens on which they are: [P] int64 each.
struct PredictedRows {
  Tensor row, target;
  const KeptColumns* kept = nullptr;  // that they are scored on; null: on all columns
  std::int64_t size() const { return row.size(0); }
};

namespace detail {

Scores score_rows(const ScoringHead& head, const Tensor& hidden, const PredictedRows& rows,
                  Need need, std::int64_t chunk);

/// The loss's sum over the predictions [begin, begin + size).
using LossSum = std::function<Tensor(const Scores&, std::int64_t begin, std::int64_t size)>;

Tensor backward_row_local(const ScoringHead& head, const Tensor& hidden, const PredictedRows& rows,
                          const LossSum& sum, Need need, double scale, std::int64_t chunk);
Tensor backward_whole(const ScoringHead& head, const Tensor& hidden, const PredictedRows& rows,
                      const LossSum& sum, Need need, double scale, std::int64_t chunk);

}  // namespace detail

/// Of a batch that lives as long.
template <class Batch>
PredictedRows predicted_rows(const Batch& batch) {
  PredictedRows rows{batch.row, batch.target};
  if constexpr (KeepsColumns<Batch>) rows.kept = &batch.support;
  return rows;
}

/// Scores without a graph, of all predictions of the batch.
template <class Batch>
Scores score_predictions(const ScoringHead& head, const Tensor& hidden, const Batch& batch,
                         Need need, std::int64_t chunk) {
  return detail::score_rows(head, hidden, predicted_rows(batch), need, chunk);
}

/// Adds the gradient of `scale · loss.sum(scores, batch)` to every trained parameter, through the
/// head and the graph of `hidden` [T, d], and returns the unscaled sum, a number in double on the
/// device. The graph is consumed.
template <class Loss, class Batch>
Tensor backward_through_head(const ScoringHead& head, const Tensor& hidden, const Batch& batch,
                             const Loss& loss, Need need, double scale, std::int64_t chunk) {
  const PredictedRows rows = predicted_rows(batch);
  if constexpr (Loss::row_local) {
    return detail::backward_row_local(
        head, hidden, rows,
        [&](const Scores& scores, std::int64_t begin, std::int64_t size) {
          return loss.sum(scores, batch.slice(begin, begin + size));
        },
        need, scale, chunk);
  } else {
    return detail::backward_whole(
        head, hidden, rows,
        [&](const Scores& scores, std::int64_t, std::int64_t) { return loss.sum(scores, batch); },
        need, scale, chunk);
  }
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/lm_head.ipp"
#endif
