// SPDX-License-Identifier: Apache-2.0
// Definitions of run_metrics.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/file.hpp"
#include "posttrain/io/json_lines.hpp"
#include "posttrain/watch/run_metrics.hpp"

namespace posttrain::watch {

namespace detail {

inline std::string metrics_file(const std::string& run) {
  io::fs::path path(run);
  if (io::fs::is_directory(path)) {
    const io::fs::path of_recipe = path / "training_metrics_0.jsonl";
    path = io::fs::exists(of_recipe) ? of_recipe : path / "metrics.jsonl";
  }
  if (!io::fs::exists(path)) {
    raise("{}: expected the run_dir of a run that has logged a step, found no {}", run,
          path == io::fs::path(run) ? "such folder" : "metrics.jsonl");
  }
  return path.string();
}

/// A number of a record; nothing where it is absent or no number (nan is null there).
inline double number_or(const Json& record, const char* name, double fallback) {
  const auto found = record.find(name);
  return found != record.end() && found->is_number() ? found->get<double>() : fallback;
}

}  // namespace detail

POSTTRAIN_INLINE double RunMetrics::Counts::on(PlotAxis axis) const {
  switch (axis) {
    case PlotAxis::tokens:
      return tokens;
    case PlotAxis::samples:
      return samples;
    case PlotAxis::seconds:
      return seconds;
    default:
      return step;
  }
}

POSTTRAIN_INLINE RunMetrics::RunMetrics(const std::string& run) : path_(detail::metrics_file(run)) {
  io::JsonLinesReader lines(path_);
  std::string problem;
  while (const std::optional<io::JsonRecord> line = lines.next()) {
    if (!problem.empty()) raise("{}", problem);  // a torn line is the last one
    const Json& record = line->value;
    if (!line->error.empty()) {
      problem = fmt::format("{}: {}", lines.where(line->line), line->error);
      continue;
    }
    if (!record.is_object()) raise("{}: expected an object", lines.where(line->line));
    const double step = detail::number_or(record, "step", -1.0);
    if (step < 0.0) continue;
    for (const auto& [name, value] : record.items()) {
      if (name == "step" || !value.is_number()) continue;
      auto& points = points_[name];
      if (points.empty()) names_.push_back(name);
      points.emplace_back(step, value.get<double>());
    }
    const Counts& last = counts_.back();
    if (!record.contains("total_tokens_accumulated") || step <= last.step) continue;
    counts_.push_back(
        {step, detail::number_or(record, "total_tokens_accumulated", last.tokens),
         detail::number_or(record, "total_samples_accumulated", last.samples),
         last.seconds + (step - last.step) * detail::number_or(record, "time_per_batch", 0.0)});
  }
}

POSTTRAIN_INLINE double RunMetrics::position(double step, PlotAxis axis) const {
  if (axis == PlotAxis::step) return step;
  const auto after =
      std::lower_bound(counts_.begin(), counts_.end(), step,
                       [](const Counts& counts, double wanted) { return counts.step < wanted; });
  if (after == counts_.end()) return counts_.back().on(axis);
  if (after == counts_.begin()) return after->on(axis);
  const Counts& before = *(after - 1);
  const double share = (step - before.step) / (after->step - before.step);
  return before.on(axis) + share * (after->on(axis) - before.on(axis));
}

POSTTRAIN_INLINE Curve RunMetrics::curve(std::string_view name, PlotAxis axis) const {
  Curve curve;
  const auto found = points_.find(name);
  if (found == points_.end()) return curve;
  for (const std::pair<double, double>& point : found->second) {
    curve.x.push_back(position(point.first, axis));
    curve.y.push_back(point.second);
  }
  return curve;
}

}  // namespace posttrain::watch
