// SPDX-License-Identifier: Apache-2.0
// Callbacks that keep the numbers of every step of a run. The trainer keeps a copy of them, so the
// numbers go through a reference.
#pragma once

#include <string_view>
#include <vector>

#include "posttrain/concepts/events.hpp"
#include "support/catch.hpp"

namespace posttrain::test {

struct LossCurve {
  std::vector<double>& losses;
  void on(const event::AfterStep& event) { losses.push_back(event.metrics.loss); }
};

struct StepCurve {
  std::vector<StepMetrics>& steps;
  void on(const event::AfterStep& event) { steps.push_back(event.metrics); }
};

/// A metric of the loss's own.
inline double metric(const StepMetrics& metrics, std::string_view name) {
  for (const auto& [own, value] : metrics.loss_metrics) {
    if (own == name) return value;
  }
  FAIL("no metric " << name);
  return 0.0;
}

}  // namespace posttrain::test
