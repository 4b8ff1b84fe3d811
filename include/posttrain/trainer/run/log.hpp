// SPDX-License-Identifier: Apache-2.0
// The log of a run: run.json (every policy and option), metrics.jsonl, event files, a progress
// line.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/concepts/events.hpp"
#include "posttrain/trainer/options.hpp"
#include "posttrain/trainer/run/record.hpp"

namespace posttrain {

/// Resident memory of the process in GiB: its peak, and now. 0 where the system does not say.
double peak_memory_gib();
double resident_memory_gib();

class RunLog {
 public:
  /// `record()` makes the content of run.json; called at once, and only if there is a run_dir. One
  /// that does not speak writes nothing, neither lines nor files.
  RunLog(const Options& options, const std::function<RunRecord()>& record, bool speaks = true);
  ~RunLog();
  RunLog(RunLog&&) noexcept;
  RunLog& operator=(RunLog&&) noexcept;

  /// Before the first step: a line, and run.json. Nothing is written before.
  void begin(const std::string& line);
  /// A line that must not be missed, whatever Options.progress says.
  void note(const std::string& line);
  /// The run goes on after `step` steps of an earlier one.
  void resume(std::int64_t step);
  void step(const StepMetrics& metrics, std::int64_t total_steps);
  /// `metrics`: the loss's own, written under "val_" and their names.
  void validation(std::int64_t step, double loss, bool best,
                  const std::vector<std::pair<std::string, double>>& metrics);
  /// Ends the progress line.
  void finish();

 private:
  class Writer;
  std::unique_ptr<Writer> writer_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/trainer/run/impl/log.ipp"
#endif
