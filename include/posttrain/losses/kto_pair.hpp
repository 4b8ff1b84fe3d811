// SPDX-License-Identifier: Apache-2.0
// Kahneman–Tversky optimisation on pairs (arXiv 2402.01306 as DPO's early code had it, loss_type
// "kto_pair" of TRL before 0.9): each side is held against the mean log-ratio of the other one,
//
//   L = mean over answers of 1 − σ(β (r_w − KL_l)) and 1 − σ(β (KL_w − r_l)),
//   KL_w = max(0, mean r_w),   KL_l = max(0, mean r_l),   r = log π / π_ref
//
// with means over the whole optimizer step and no gradient through them. On single judged answers,
// with the paper's own estimate: losses/kto.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/losses/terms/pair_scores.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

struct KtoPair {
  using Batch = PairBatch;
  struct Statistics {
    double kl_chosen = 0.0, kl_rejected = 0.0;
  };
  static constexpr bool needs_reference = true;

  double beta = 0.1;

  constexpr void validate() const {
    if (!(beta > 0.0)) fail("posttrain: KtoPair.beta must be positive");
  }

  Statistics gather(const std::vector<Scored<PairBatch>>& step) const {
    Tensors sums;
    double count = 0.0;
    for (const Scored<PairBatch>& scored : step) {
      const PairScores pairs = pair_scores(scored.scores(), scored.batch());
      sums.push_back(pairs.chosen.log_ratio().sum());
      sums.push_back(pairs.rejected.log_ratio().sum());
      count += static_cast<double>(scored.batch().items());
    }
    double chosen = 0.0, rejected = 0.0;
    const std::vector<double> read = read_numbers(sums);
    for (std::size_t i = 0; i < read.size(); ++i) (i % 2 == 0 ? chosen : rejected) += read[i];
    return {std::max(0.0, chosen / count), std::max(0.0, rejected / count)};
  }

  Tensor losses(const PairScores& pairs, const Statistics& statistics) const {
    const Tensor chosen = sigmoid(-beta * (pairs.chosen.log_ratio() - statistics.kl_rejected));
    const Tensor rejected = sigmoid(beta * (pairs.rejected.log_ratio() - statistics.kl_chosen));
    return 0.5 * (chosen + rejected);
  }
};

}  // namespace posttrain
