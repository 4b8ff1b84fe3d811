// SPDX-License-Identifier: Apache-2.0
// Pictures of runs: loss, validation, rewards and learning rate from their metrics.jsonl, side by
// side for several runs. gnuplot draws them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "posttrain/watch/gnuplot.hpp"
#include "posttrain/watch/run_metrics.hpp"

namespace posttrain {

struct Plot {
  std::vector<std::string> runs{};    // run_dirs (or files of metrics), at least one
  std::vector<std::string> labels{};  // a name for each run; empty: their folders' names
  /// Names of metrics.jsonl, a panel for each. Empty: loss, val_loss, reward and val_reward,
  /// rewards/… but their deviations, and lr, as far as a run has them.
  std::vector<std::string> metrics{};
  /// Ends with .svg or .png; without either, both files are written. Empty: `curves` in the first
  /// run's folder.
  std::string output{};
  PlotAxis x = PlotAxis::step;
  /// Span of the moving average that is drawn over what is logged with the steps
  /// (watch/moving_average.hpp); 0: none. lr and val_… are drawn as they are.
  std::int64_t ema_span = 30;

  void validate() const;
};

/// Draws runs, whether they have ended or not, and returns the paths of the files, which appear
/// whole. An error where a run has no metrics, none of them has a metric that was asked for, or
/// gnuplot is not installed.
std::vector<std::string> plot(const Plot& plot);

namespace watch {

/// What `plot` draws.
Figure figure_of(const Plot& plot);

}  // namespace watch

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/watch/impl/plot.ipp"
#endif
