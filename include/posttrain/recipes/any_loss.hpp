// SPDX-License-Identifier: Apache-2.0
// One of several losses on the same items, chosen at run time: one type for Trainers that differ in
// nothing else. It computes what the chosen loss computes, by its own code.
#pragma once

#include <concepts>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "posttrain/base/describe.hpp"
#include "posttrain/concepts/loss.hpp"
#include "posttrain/losses/terms/loss_terms.hpp"

namespace posttrain {

/// Losses with a value for each item (ValuesItems) and one batch type, which all compare with a
/// reference, or none does.
template <class First, class... Rest>
class AnyLoss {
 public:
  using Batch = typename First::Batch;
  static constexpr bool needs_reference = posttrain::needs_reference<First>();
  static_assert(((posttrain::needs_reference<Rest>() == needs_reference) && ...));

  /// Of the loss that is chosen.
  struct Statistics {
    std::variant<StatisticsOf<First>, StatisticsOf<Rest>...> of_loss{};
  };

  AnyLoss() = default;
  template <class Loss>
  requires(std::same_as<Loss, First> || (std::same_as<Loss, Rest> || ...)) AnyLoss(Loss loss)
      : loss_(std::move(loss)) {}

  void validate() const {
    std::visit(
        [](const auto& loss) {
          if constexpr (requires { loss.validate(); }) loss.validate();
        },
        loss_);
  }

  bool wants_statistics() const {
    return std::visit([](const auto& loss) { return posttrain::wants_statistics(loss); }, loss_);
  }
  Statistics gather(const std::vector<Scored<Batch>>& scored) const
      requires(GathersStatistics<First> || (GathersStatistics<Rest> || ...)) {
    return std::visit([&](const auto& loss) { return Statistics{gathered(loss, scored)}; }, loss_);
  }

  Tensor losses(const Scores& scores, const Batch& batch, const Statistics& statistics) const {
    return std::visit(
        [&]<class Loss>(const Loss& loss) {
          const auto* own = std::get_if<StatisticsOf<Loss>>(&statistics.of_loss);
          return item_losses(loss, scores, batch, own ? *own : StatisticsOf<Loss>{});
        },
        loss_);
  }
  Tensor losses(const Scores& scores, const Batch& batch) const {
    return losses(scores, batch, {});
  }

  Need needs() const {
    return std::visit([](const auto& loss) { return needs_of(loss); }, loss_);
  }
  void measure(const Scores& scores, const Batch& batch, MetricMeans& means) const {
    std::visit([&](const auto& loss) { measure_scores(loss, scores, batch, means); }, loss_);
  }

  std::string description() const {
    return std::visit([](const auto& loss) { return describe(loss); }, loss_);
  }

 private:
  std::variant<First, Rest...> loss_{};
};

}  // namespace posttrain
