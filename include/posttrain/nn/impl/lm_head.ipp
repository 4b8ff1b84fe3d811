// SPDX-License-Identifier: Apache-2.0
// Definitions of lm_head.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/nn/cpu/softmax_rows.hpp"
#include "posttrain/nn/divergence.hpp"
#include "posttrain/nn/lm_head.hpp"
#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE Scores score_logits(const Tensor& logits, const Tensor& target, Need need,
                                     const Tensor& teacher) {
  Tensor z = logits.detach();
  const Tensor t = teacher.defined() ? teacher.detach() : Tensor();
  RowStats stats;
  Tensor teacher_lse;
  RowDivergence divergence;
  {
    at::NoGradGuard no_grad;
    stats = row_stats(z, target, {need.entropy, need.mean_logit, need.log_sum_sq});
    if (need.divergence) {
      teacher_lse = row_stats(t, target).lse;
      divergence = divergence_rows({z, stats.lse}, {t, teacher_lse}, *need.divergence);
    }
  }
  // An undefined output cannot carry a graph: what is not needed gets a placeholder.
  // The outputs get the graph; the node keeps aliases without it.
  Tensors outputs{stats.logp, need.lse ? stats.lse.detach() : Tensor(),
                  need.entropy ? stats.entropy.detach() : Tensor(), stats.mean_logit,
                  need.divergence ? divergence.value.detach() : Tensor()};
  outputs = differentiable(
      std::move(outputs), {logits},
      [z, kept = RowStats{{}, stats.lse, stats.entropy, {}}, target, t, teacher_lse, divergence,
       beta = need.divergence.value_or(0.0)](const Tensors& d) -> Tensors {
        if (d[4].defined()) {
          divergence_backward_({z, kept.lse}, {t, teacher_lse}, divergence, d[4], beta);
        }
        const bool of_rows = d[0].defined() || d[1].defined() || d[2].defined() || d[3].defined();
        if (d[4].defined() && !of_rows) return {t};
        row_stats_backward_(z, target, kept, {d[0], d[1], d[2], d[3]});
        return {d[4].defined() ? z.add_(t) : z};
      });
  return {outputs[0], outputs[2], outputs[1], outputs[3], stats.log_sum_sq, {}, outputs[4]};
}

POSTTRAIN_INLINE Tensor beside(const Tensors& pieces) { return at::cat(pieces, 1); }

namespace detail {

// Some predictions on their way through the head. They are filled up to a multiple of 32 rows with
// predictions that nobody asked for: a matrix product with a ragged edge is cut into pieces
// (gemm.ipp), each of which goes over the whole head once more. Their scores are cut off, so
// that their gradient is zero.
struct HeadChunk {
  std::int64_t size;
  Tensor row, target;  // [filled]
  KeptColumns kept{};

  HeadChunk(const PredictedRows& rows, std::int64_t begin, std::int64_t chunk)
      : size(std::min(chunk, rows.size() - begin)),
        row(filled(rows.row, begin)),
        target(filled(rows.target, begin)) {
    if (rows.kept != nullptr) kept = rows.kept->slice(begin, begin + size);
  }

  /// Scores of the hidden rows `input` [filled, d].
  Scores score(const ScoringHead& head, const Tensor& input, Need need) const {
    Tensor teacher;
    if (need.divergence) {
      if (!head.teacher) fail("expected parameters with a teacher, got none; hint: WithTeacher");
      at::NoGradGuard no_grad;
      teacher = head.teacher(input.detach());
      kept.apply_(teacher);
    }
    // In place: what is cut off has a probability of 0, and so the gradient 0 as it came.
    const Tensor logits = head.logits(input);
    kept.apply_(logits);
    Scores scores = score_logits(logits, target, need, teacher);
    if (need.value) {
      if (!head.values) fail("expected parameters with a critic, got none; hint: WithCritic");
      scores.value = head.values(input);
    }
    return scores.map([&](const Tensor& score) { return score.narrow(0, 0, size); });
  }

 private:
  Tensor filled(const Tensor& all, std::int64_t begin) const {
    return at::constant_pad_nd(all.narrow(0, begin, size), {0, -size & 31});
  }
};

POSTTRAIN_INLINE Scores score_rows(const ScoringHead& head, const Tensor& hidden,
                                   const PredictedRows& rows, Need need, std::int64_t chunk) {
  at::NoGradGuard no_grad;
  Scores all;
  std::vector<Scores> chunks;
  for (std::int64_t begin = 0; begin < rows.size(); begin += chunk) {
    const HeadChunk piece(rows, begin, chunk);
    chunks.push_back(piece.score(head, at::index_select(hidden, 0, piece.row), need));
  }
  const auto join = [&](Tensor Scores::*field, bool wanted) {
    if (!wanted) return;
    Tensors pieces;
    for (const Scores& scores : chunks) pieces.push_back(scores.*field);
    all.*field =
        pieces.empty() ? at::zeros({0}, hidden.options().dtype(at::kFloat)) : at::cat(pieces);
  };
  join(&Scores::logp, true);
  join(&Scores::entropy, need.entropy);
  join(&Scores::lse, need.lse);
  join(&Scores::mean_logit, need.mean_logit);
  join(&Scores::log_sum_sq, need.log_sum_sq);
  join(&Scores::value, need.value);
  join(&Scores::divergence, need.divergence.has_value());
  return all;
}

/// Runs `step` on each chunk and collects the gradient of the hidden rows.
inline void head_chunks(const ScoringHead& head, const Tensor& hidden, const PredictedRows& rows,
                        Need need, std::int64_t chunk, const LossSum& step) {
  const bool hidden_trains = hidden.requires_grad();
  const Tensor detached = hidden.detach();
  Tensor d_hidden = hidden_trains ? at::zeros_like(detached) : Tensor();
  for (std::int64_t begin = 0; begin < rows.size(); begin += chunk) {
    const HeadChunk piece(rows, begin, chunk);
    Tensor input = at::index_select(detached, 0, piece.row);
    input.requires_grad_(hidden_trains);
    const Tensor objective = step(piece.score(head, input, need), begin, piece.size);
    if (objective.requires_grad()) objective.backward();
    if (hidden_trains && input.grad().defined()) d_hidden.index_add_(0, piece.row, input.grad());
  }
  if (hidden_trains) hidden.backward(d_hidden);
}

POSTTRAIN_INLINE Tensor backward_row_local(const ScoringHead& head, const Tensor& hidden,
                                           const PredictedRows& rows, const LossSum& sum, Need need,
                                           double scale, std::int64_t chunk) {
  at::AutoGradMode enabled(true);
  Tensor total = at::zeros({}, hidden.options().dtype(at::kDouble));
  head_chunks(head, hidden, rows, need, chunk,
              [&](const Scores& scores, std::int64_t begin, std::int64_t size) {
                const Tensor part = sum(scores, begin, size);
                total += part.detach();
                return part * scale;
              });
  return total;
}

POSTTRAIN_INLINE Tensor backward_whole(const ScoringHead& head, const Tensor& hidden,
                                       const PredictedRows& rows, const LossSum& sum, Need need,
                                       double scale, std::int64_t chunk) {
  // One chunk: its scores are all there are, and the head is passed once.
  if (rows.size() <= chunk) {
    return backward_row_local(head, hidden, rows, sum, need, scale, chunk);
  }
  at::AutoGradMode enabled(true);
  const Scores scores =
      score_rows(head, hidden.detach(), rows, need, chunk).map([](const Tensor& score) {
        return score.detach().requires_grad_();
      });
  const Tensor total = sum(scores, 0, rows.size());
  // A sum that no score goes into has nothing to carry back.
  if (total.requires_grad()) (total * scale).backward();
  head_chunks(
      head, hidden, rows, need, chunk,
      [&](const Scores& chunk_scores, std::int64_t begin, std::int64_t size) {
        Tensor surrogate = at::zeros({}, chunk_scores.logp.options());
        for (Tensor Scores::*field : {&Scores::logp, &Scores::entropy, &Scores::lse,
                                      &Scores::mean_logit, &Scores::value, &Scores::divergence}) {
          if (!(scores.*field).defined() || !(scores.*field).grad().defined()) continue;
          surrogate = surrogate +
                      (chunk_scores.*field * (scores.*field).grad().narrow(0, begin, size)).sum();
        }
        return surrogate;
      });
  return total.detach().to(at::kDouble);
}

}  // namespace detail

}  // namespace posttrain
