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
  std::vector<Batch> ready;
  if constexpr (Objective<Loss>::gathers) {
    if (objective.wants_statistics()) {
      ready = scorer.prepared(batches);
      objective.gather(scorer.scored(ready, /*training=*/false));
    }
  }
  ready = ready.empty() ? scorer.prepared(team.own(batches)) : team.own(ready);
  Tensors sums;
  for (const Scored<Batch>& each : scorer.scored(ready, /*training=*/false)) {
    sums.push_back(objective.sum(each.scores(), each.batch()));
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
