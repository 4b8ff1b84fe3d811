// SPDX-License-Identifier: Apache-2.0
// The update of an optimizer step from gradients that are there, and the numbers of the step.
#pragma once

#include <cmath>
#include <optional>
#include <vector>

#include "posttrain/concepts/events.hpp"
#include "posttrain/concepts/optimizer.hpp"
#include "posttrain/optim/clip.hpp"
#include "posttrain/tensor/metric_means.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "posttrain/tensor/tensor.hpp"
#include "posttrain/tensor/transfer.hpp"
#include "posttrain/trainer/shards.hpp"
#include "posttrain/trainer/team.hpp"

namespace posttrain {

/// A number of a step that is nan or infinite.
struct NonFiniteNumber {
  const char* what;  // "loss" or "gradient norm"
  double value;
};

/// Clips, steps by `metrics.lr`, publishes the weights, and writes loss, norm and the loss's
/// metrics into `metrics`. `loss` and the gradients of this rank's `shards` are those of all ranks.
/// Where loss or norm is not finite it says which, and all stays as it was.
///
/// On a GPU everything is under way before the numbers are read, once. On the CPU, and for an
/// optimizer that takes the clip coefficient as a number, the read comes first.
template <class State, class OptimizerState>
std::optional<NonFiniteNumber> update(State& state, OptimizerState& optimizer, const Tensor& loss,
                                      const MetricMeans& means, double max_grad_norm,
                                      at::Device device, StepMetrics& metrics, const Team& team,
                                      Shards& shards) {
  const Tensor norm = shards.norm(state.trainable());
  const auto step = [&](const auto& scale) {
    optimizer.step(shards.own(state.trainable()), metrics.lr, scale);
    shards.gather();
    state.publish();
  };
  bool updated = false;
  if constexpr (StepsWithScale<OptimizerState, GradientScale>) {
    updated = !device.is_cpu();
    if (updated) step(optim::clip_scale(norm, max_grad_norm, loss));
  }
  Tensors numbers = means.pending();
  numbers.insert(numbers.end(), {loss, norm});
  const std::vector<double> read = read_numbers(numbers);
  metrics.grad_norm = read.back();
  metrics.loss = read[read.size() - 2];
  metrics.loss_metrics = team.values(means, read);
  if (!std::isfinite(metrics.loss)) return NonFiniteNumber{"loss", metrics.loss};
  if (!std::isfinite(metrics.grad_norm)) {
    return NonFiniteNumber{"gradient norm", metrics.grad_norm};
  }
  if (!updated) step(optim::clip_coefficient(metrics.grad_norm, max_grad_norm));
  return {};
}

}  // namespace posttrain
