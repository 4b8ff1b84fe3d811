// SPDX-License-Identifier: Apache-2.0
// The numbers that a run has logged so far, as curves: read from its metrics.jsonl, whether the run
// has ended or not.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace posttrain {

/// What a curve is drawn over: optimizer steps, tokens read, samples, or seconds of training (those
/// of the steps; validation and saving do not count).
enum class PlotAxis { step, tokens, samples, seconds };

namespace watch {

/// Points by rising x; both vectors have one number for each.
struct Curve {
  std::vector<double> x{};
  std::vector<double> y{};
};

class RunMetrics {
 public:
  /// `run`: the run_dir of a run (its metrics.jsonl, or a recipe's training_metrics_0.jsonl), or a
  /// file of metrics. A record without a step is passed over,
  /// and so is an unfinished last line; another malformed one is an error.
  explicit RunMetrics(const std::string& run);

  /// The path that was read.
  const std::string& path() const { return path_; }

  /// The metrics that some record has a number for, in the order of their first appearance.
  const std::vector<std::string>& names() const { return names_; }

  /// One metric over an axis; empty where no record has it. What is logged between two steps that
  /// have a count (a validation where logging_steps > 1) lies between their counts in proportion.
  /// With logging_steps > 1 the seconds of a logged step stand for those before it.
  Curve curve(std::string_view name, PlotAxis axis) const;

 private:
  /// Counts so far, after a step.
  struct Counts {
    double step = 0.0, tokens = 0.0, samples = 0.0, seconds = 0.0;
    double on(PlotAxis axis) const;
  };

  double position(double step, PlotAxis axis) const;

  std::string path_;
  std::vector<std::string> names_;
  std::map<std::string, std::vector<std::pair<double, double>>, std::less<>>
      points_;                            // step, value
  std::vector<Counts> counts_{Counts{}};  // of logged steps, from before the first on
};

}  // namespace watch

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/watch/impl/run_metrics.ipp"
#endif
