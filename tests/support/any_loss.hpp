// SPDX-License-Identifier: Apache-2.0
// Losses behind functions, for tests of many products: a product is compiled once for a kind of
// losses, not for every loss. A Trainer asks nothing else of a loss's type than the batch, whether
// it is row-local and whether it needs a reference.
#pragma once

#include <any>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/describe.hpp"
#include "posttrain/batch/pairs.hpp"
#include "posttrain/batch/rollouts.hpp"
#include "posttrain/losses/terms/loss_terms.hpp"

namespace posttrain::test {

/// What a loss does, behind functions; recorded as its description.
template <class Batch>
struct LossFunctions {
  template <class Loss>
  explicit LossFunctions(const Loss& loss)
      : name(describe(loss)),
        need(needs_of(loss)),
        count([loss](const Batch& batch) { return term_counts(loss, batch).at(0); }),
        gather([loss](const std::vector<Scored<Batch>>& scored) -> std::any {
          return gathered(loss, scored);
        }),
        sum([loss](const Scores& scores, const Batch& batch, const std::any& statistics) {
          return term_sum(loss, scores, batch,
                          std::any_cast<const StatisticsOf<Loss>&>(statistics));
        }) {}

  operator std::string_view() const { return name; }

  std::string name;
  Need need;
  std::function<double(const Batch&)> count;
  std::function<std::any(const std::vector<Scored<Batch>>&)> gather;
  std::function<Tensor(const Scores&, const Batch&, const std::any&)> sum;
};

struct OnTokens {
  using Batch = TokenBatch;
  static constexpr bool row_local = true;
  static constexpr bool needs_reference = false;

  LossFunctions<Batch> loss;

  Need needs() const { return loss.need; }
  double count(const Batch& batch) const { return loss.count(batch); }
  Tensor sum(const Scores& scores, const Batch& batch) const {
    return loss.sum(scores, batch, loss.gather({}));
  }
};

/// On pairs or on judged answers.
template <class Items, bool NeedsReference>
struct OnItems {
  using Batch = Items;
  using Statistics = std::any;
  static constexpr bool row_local = false;
  static constexpr bool needs_reference = NeedsReference;

  LossFunctions<Batch> loss;

  Need needs() const { return loss.need; }
  double count(const Batch& batch) const { return loss.count(batch); }
  std::any gather(const std::vector<Scored<Batch>>& scored) const { return loss.gather(scored); }
  Tensor sum(const Scores& scores, const Batch& batch, const std::any& statistics) const {
    return loss.sum(scores, batch, statistics);
  }
};

/// On what the policy wrote.
template <bool NeedsReference>
struct OnRollouts {
  using Batch = RolloutBatch;
  using Statistics = std::any;
  static constexpr bool row_local = false;
  static constexpr bool needs_reference = NeedsReference;

  template <class Loss>
  explicit OnRollouts(const Loss& of)
      : loss(of),
        wanted(of.rollout_needs()),
        estimate([of](const Rollout& rollout) { return of.advantages(rollout); }) {}

  Need needs() const { return loss.need; }
  double count(const Batch& batch) const { return loss.count(batch); }
  std::any gather(const std::vector<Scored<Batch>>& scored) const { return loss.gather(scored); }
  Tensor sum(const Scores& scores, const Batch& batch, const std::any& statistics) const {
    return loss.sum(scores, batch, statistics);
  }
  RolloutNeeds rollout_needs() const { return wanted; }
  Advantages advantages(const Rollout& rollout) const { return estimate(rollout); }
  std::string description() const { return loss.name; }

  LossFunctions<Batch> loss;
  RolloutNeeds wanted;
  std::function<Advantages(const Rollout&)> estimate;
};

}  // namespace posttrain::test
