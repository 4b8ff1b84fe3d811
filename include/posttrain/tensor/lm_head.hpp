// SPDX-License-Identifier: Apache-2.0
// Scores of predictions through the LM head, chunk by chunk, and the loss's gradient in the same
// pass.
//
// The head is a functor `logits(rows [n, d]) → [n, V]`, never a raw weight: adapters, soft-caps and
// multipliers apply by construction. At no time does more than one chunk of logits exist. A
// row-local loss is evaluated and differentiated inside the chunk loop (its normaliser is known
// before); any other loss is evaluated on the scores of the whole batch, and a second pass over the
// chunks carries its gradients back. (TRL calls the first `chunked_nll`, and recomputes.)
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "posttrain/tensor/batch.hpp"
#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/softmax_rows.hpp"

namespace posttrain {

/// What a loss may ask for besides the log-probability of the target.
struct Need {
  bool entropy = false;
  bool lse = false;
  bool mean_logit = false;
};

/// Per prediction, [P], fp32 (fp64 for fp64 logits). What was not asked for is undefined.
struct Scores {
  Tensor logp;        // log softmax(z)[target]
  Tensor entropy;     // −Σ p log p
  Tensor lse;         // log Σ exp z
  Tensor mean_logit;  // Σ z / V
};

/// Rows per chunk: about 32 Mi logits, at least 128 rows (fewer starve the GEMM), at most 512.
inline std::int64_t head_chunk_rows(std::int64_t vocab_size) {
  return std::clamp<std::int64_t>((std::int64_t{32} << 20) / std::max<std::int64_t>(vocab_size, 1),
                                  128, 512);
}

/// Differentiable scores of a chunk. The backward pass overwrites `logits`, so nothing else may
/// keep them.
inline Scores score_logits(const Tensor& logits, const Tensor& target, Need need) {
  Tensor z = logits.detach();
  RowStats stats;
  {
    at::NoGradGuard no_grad;
    stats = row_stats(z, target, {need.entropy, need.mean_logit});
  }
  // An undefined output cannot carry a graph: what is not needed gets a placeholder.
  // The outputs get the graph; the node keeps aliases without it.
  Tensors outputs{stats.logp, need.lse ? stats.lse.detach() : Tensor(),
                  need.entropy ? stats.entropy.detach() : Tensor(), stats.mean_logit};
  outputs = differentiable(
      std::move(outputs), {logits},
      [z, kept = RowStats{{}, stats.lse, stats.entropy, {}}, target](const Tensors& d) -> Tensors {
        row_stats_backward_(z, target, kept, {d[0], d[1], d[2], d[3]});
        return {z};
      });
  return {outputs[0], outputs[2], outputs[1], outputs[3]};
}

/// Scores without a graph, of all predictions of the batch.
template <class Logits>
Scores score_predictions(const Logits& logits, const Tensor& hidden, const TokenBatch& batch,
                         Need need, std::int64_t chunk) {
  at::NoGradGuard no_grad;
  Scores all;
  std::vector<Scores> chunks;
  for (std::int64_t begin = 0; begin < batch.predictions(); begin += chunk) {
    const std::int64_t size = std::min(chunk, batch.predictions() - begin);
    const Tensor rows = at::index_select(hidden, 0, batch.row.narrow(0, begin, size));
    chunks.push_back(score_logits(logits(rows), batch.target.narrow(0, begin, size), need));
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
  return all;
}

namespace detail {

/// Runs `step(scores, begin, size)` → scalar to differentiate on each chunk and collects the
/// gradient of the hidden rows.
template <class Logits, class Step>
void head_chunks(const Logits& logits, const Tensor& hidden, const TokenBatch& batch, Need need,
                 std::int64_t chunk, Step step) {
  const bool hidden_trains = hidden.requires_grad();
  const Tensor detached = hidden.detach();
  Tensor d_hidden = hidden_trains ? at::zeros_like(detached) : Tensor();
  for (std::int64_t begin = 0; begin < batch.predictions(); begin += chunk) {
    const std::int64_t size = std::min(chunk, batch.predictions() - begin);
    const Tensor row = batch.row.narrow(0, begin, size);
    Tensor rows = at::index_select(detached, 0, row);
    rows.requires_grad_(hidden_trains);
    Tensor objective;
    {
      const Tensor z = logits(rows);
      objective = step(score_logits(z, batch.target.narrow(0, begin, size), need), begin, size);
    }
    if (objective.requires_grad()) objective.backward();
    if (hidden_trains && rows.grad().defined()) d_hidden.index_add_(0, row, rows.grad());
  }
  if (hidden_trains) hidden.backward(d_hidden);
}

}  // namespace detail

/// Adds the gradient of `scale · loss.sum(scores, batch)` to every trained parameter, through the
/// head and the graph of `hidden` [T, d], and returns the unscaled sum. The graph is consumed.
template <class Logits, class Loss>
double backward_through_head(const Logits& logits, const Tensor& hidden, const TokenBatch& batch,
                             const Loss& loss, Need need, double scale, std::int64_t chunk) {
  at::AutoGradMode enabled(true);
  if constexpr (Loss::row_local) {
    Tensor total = at::zeros({}, hidden.options().dtype(at::kDouble));
    detail::head_chunks(logits, hidden, batch, need, chunk,
                        [&](const Scores& scores, std::int64_t begin, std::int64_t size) {
                          const Tensor sum = loss.sum(scores, batch.slice(begin, begin + size));
                          total += sum.detach();
                          return sum * scale;
                        });
    return total.item<double>();
  } else {
    Scores scores = score_predictions(logits, hidden.detach(), batch, need, chunk);
    for (Tensor* field : {&scores.logp, &scores.entropy, &scores.lse, &scores.mean_logit}) {
      if (field->defined()) *field = field->detach().requires_grad_();
    }
    const Tensor sum = loss.sum(scores, batch);
    (sum * scale).backward();
    detail::head_chunks(
        logits, hidden, batch, need, chunk,
        [&](const Scores& chunk_scores, std::int64_t begin, std::int64_t size) {
          Tensor surrogate = at::zeros({}, chunk_scores.logp.options());
          for (Tensor Scores::*field :
               {&Scores::logp, &Scores::entropy, &Scores::lse, &Scores::mean_logit}) {
            if (!(scores.*field).defined() || !(scores.*field).grad().defined()) continue;
            surrogate = surrogate +
                        (chunk_scores.*field * (scores.*field).grad().narrow(0, begin, size)).sum();
          }
          return surrogate;
        });
    return sum.item<double>();
  }
}

}  // namespace posttrain
