// SPDX-License-Identifier: Apache-2.0
// The loss of held-out micro-batches: what a validation reports.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/tensor/operators.hpp"
#include "posttrain/tensor/transfer.hpp"
#include "posttrain/trainer/objective.hpp"
#include "posttrain/trainer/share.hpp"
#include "posttrain/trainer/team.hpp"

namespace posttrain {

/// The numbers of a validation.
struct Evaluation {
  double loss = 0.0;
  std::vector<std::pair<std::string, double>> loss_metrics{};  // the loss's own, by name
};

/// The loss over these micro-batches, divided once by its count over all of them, without
/// gradients, dropout and NEFTune; 0 where nothing is scored. `scorer`: of a state that is only
/// read (trainer/scorer.hpp). The ranks of `team` share the micro-batches.
template <class Loss, class Scorer>
Evaluation evaluation_of(const Loss& loss, const Scorer& scorer,
                         const std::vector<typename Loss::Batch>& batches,
                         const Team& team = Team()) {
  using Batch = typename Loss::Batch;
  at::NoGradGuard no_grad;
  Evaluation result;
  Objective<Loss> objective(loss, batches);
  if (objective.empty()) return result;
  const Share<Batch> share =
      share_of(team, scorer, scorer, loss, objective, batches, /*training=*/false);
  Tensors sums;
  for (const std::size_t index : share.own) {
    const Batch& batch = share.batches[index];
    sums.push_back(objective.sum(scorer.scored(batch, /*training=*/false).scores(), batch));
  }
  const std::size_t count = sums.size();
  const Tensors pending = objective.means().pending();
  sums.insert(sums.end(), pending.begin(), pending.end());
  const std::vector<double> read = read_numbers(sums);
  for (std::size_t i = 0; i < count; ++i) result.loss += read[i];
  result.loss = team.sum(result.loss);
  result.loss_metrics = team.values(objective.means(), std::span(read).subspan(count));
  return result;
}

}  // namespace posttrain
