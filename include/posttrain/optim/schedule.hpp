// SPDX-License-Identifier: Apache-2.0
// Learning-rate schedules under transformers' names (`lr_scheduler_type`), as factors of the step.
//
// `factor(step)` multiplies the learning rate of optimizer step `step` (0-based). Formulas and the
// off-by-ones are those of transformers/optimization.py: with warm-up, step 0 has factor 0.
// `reduce_lr_on_plateau` and `greedy` depend on a metric rather than on the step and are not here.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "posttrain/base/error.hpp"

namespace posttrain::optim {

enum class LrScheduler {
  linear,
  cosine,
  cosine_with_restarts,
  polynomial,
  constant,
  constant_with_warmup,
  inverse_sqrt,
  cosine_with_min_lr,
  cosine_warmup_with_min_lr,
  warmup_stable_decay,
};

/// A schedule with transformers' `lr_scheduler_kwargs`; each field names the schedules that read
/// it.
struct Schedule {
  LrScheduler type = LrScheduler::cosine;
  double num_cycles = 0.0;     // cosine family; 0: the schedule's default (0.5; restarts: 1)
  double power = 1.0;          // polynomial
  double lr_end = 1e-7;        // polynomial: absolute rate at the end
  double min_lr_rate = 0.0;    // cosine_with_min_lr, cosine_warmup_with_min_lr, warmup_stable_decay
  std::int64_t timescale = 0;  // inverse_sqrt; 0: the warm-up steps, or 10,000
  std::int64_t decay_steps = 0;  // warmup_stable_decay: length of the final cosine decay

  constexpr void validate() const {
    if (num_cycles < 0.0) fail("posttrain: Schedule.num_cycles must not be negative");
    if (!(min_lr_rate >= 0.0 && min_lr_rate <= 1.0)) {
      fail("posttrain: Schedule.min_lr_rate must be in [0, 1]");
    }
    if (lr_end < 0.0) fail("posttrain: Schedule.lr_end must not be negative");
    if (decay_steps < 0) fail("posttrain: Schedule.decay_steps must not be negative");
  }

  /// Factor of the learning rate at `step` of `total` steps, the first `warmup` of them warming up.
  /// `learning_rate` is read by `polynomial` alone (its end is an absolute rate).
  double factor(std::int64_t step, std::int64_t warmup, std::int64_t total,
                double learning_rate) const {
    const auto at = static_cast<double>(step);
    const auto warm = static_cast<double>(warmup);
    const auto all = static_cast<double>(total);
    const double after = (at - warm) / std::max(1.0, all - warm);
    const auto cosine = [](double cycles, double progress) {
      return 0.5 * (1.0 + std::cos(std::numbers::pi * cycles * 2.0 * progress));
    };
    const auto lifted = [this](double f) {
      return std::max(0.0, f * (1.0 - min_lr_rate) + min_lr_rate);
    };
    const double half = num_cycles > 0.0 ? num_cycles : 0.5;

    if (type == LrScheduler::constant) return 1.0;
    if (type == LrScheduler::cosine_warmup_with_min_lr) {
      if (step < warmup) return (at + 1.0) / std::max(1.0, warm);
      return lifted(cosine(half, (at - warm + 1.0) / std::max(1.0, all - warm)));
    }
    if (step < warmup) {
      const double rising = at / std::max(1.0, warm);
      return type == LrScheduler::warmup_stable_decay ? lifted(rising) : rising;
    }
    switch (type) {
      case LrScheduler::linear:
        return std::max(0.0, (all - at) / std::max(1.0, all - warm));
      case LrScheduler::cosine:
        return std::max(0.0, cosine(half, after));
      case LrScheduler::cosine_with_restarts: {
        if (after >= 1.0) return 0.0;
        const double cycles = num_cycles > 0.0 ? num_cycles : 1.0;
        return std::max(0.0, cosine(0.5, std::fmod(cycles * after, 1.0)));
      }
      case LrScheduler::polynomial: {
        if (step > total) return lr_end / learning_rate;
        const double remaining = 1.0 - (at - warm) / (all - warm);
        return ((learning_rate - lr_end) * std::pow(remaining, power) + lr_end) / learning_rate;
      }
      case LrScheduler::inverse_sqrt: {
        const double scale =
            timescale > 0 ? static_cast<double>(timescale) : (warmup > 0 ? warm : 10000.0);
        return 1.0 / std::sqrt((at + scale - warm) / scale);
      }
      case LrScheduler::cosine_with_min_lr:
        return lifted(cosine(half, after));
      case LrScheduler::warmup_stable_decay: {
        const auto decay = static_cast<double>(decay_steps);
        const double stable = all - warm - decay;
        if (at < warm + stable) return 1.0;
        if (at < all) return lifted(cosine(half, (at - warm - stable) / std::max(1.0, decay)));
        return min_lr_rate;
      }
      default:
        return 1.0;
    }
  }
};

}  // namespace posttrain::optim
