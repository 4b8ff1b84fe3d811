// SPDX-License-Identifier: Apache-2.0
// Definitions of plot.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/describe.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/join.hpp"
#include "posttrain/base/nearest_name.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/file.hpp"
#include "posttrain/watch/moving_average.hpp"
#include "posttrain/watch/plot.hpp"

namespace posttrain {

POSTTRAIN_INLINE void Plot::validate() const {
  if (runs.empty()) fail("posttrain: Plot.runs must name a run");
  if (!labels.empty() && labels.size() != runs.size()) {
    raise("posttrain: Plot.labels must be empty or one for each of {} runs, got {}", runs.size(),
          labels.size());
  }
  if (ema_span < 0) fail("posttrain: Plot.ema_span must not be negative");
}

namespace watch {

namespace detail {

/// The metrics that are drawn where none are named.
inline std::vector<std::string> usual_metrics(const std::vector<std::string>& names) {
  std::vector<std::string> chosen;
  const auto take = [&](const auto& wanted) {
    std::copy_if(names.begin(), names.end(), std::back_inserter(chosen), wanted);
  };
  for (const char* name : {"loss", "val_loss", "reward", "val_reward"}) {
    take([&](const std::string& own) { return own == name; });
  }
  take(
      [](const std::string& own) { return own.starts_with("rewards/") && !own.ends_with("/std"); });
  take([](const std::string& own) { return own == "lr"; });
  return chosen;
}

/// All names that some run has, each once.
inline std::vector<std::string> names_of(const std::vector<RunMetrics>& runs) {
  std::vector<std::string> all;
  for (const RunMetrics& run : runs) {
    for (const std::string& name : run.names()) {
      if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(name);
    }
  }
  return all;
}

inline bool is_smoothed(std::string_view name) { return name != "lr" && !name.starts_with("val_"); }

/// The last part of a run's path: a folder's name, that of a file's folder.
inline std::string label_of(const std::string& run) {
  io::fs::path path(run);
  if (!path.has_filename()) path = path.parent_path();
  if (io::fs::is_regular_file(path) && path.has_parent_path()) path = path.parent_path();
  return path.filename().string();
}

inline Panel panel_of(const std::string& name, const Plot& plot,
                      const std::vector<RunMetrics>& runs) {
  Panel panel{name, {}};
  const bool smoothed = plot.ema_span > 1 && is_smoothed(name);
  if (smoothed) panel.title += fmt::format(", and its moving average of span {}", plot.ema_span);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    Curve curve = runs[i].curve(name, plot.x);
    if (curve.x.empty()) continue;
    const std::string label = plot.labels.empty() ? label_of(plot.runs[i]) : plot.labels[i];
    if (smoothed) {
      panel.lines.push_back({"", i, true, curve});
      curve.y = moving_average(std::move(curve.y), plot.ema_span);
    }
    panel.lines.push_back({label, i, false, std::move(curve)});
  }
  return panel;
}

}  // namespace detail

POSTTRAIN_INLINE Figure figure_of(const Plot& plot) {
  plot.validate();
  std::vector<RunMetrics> runs;
  for (const std::string& run : plot.runs) runs.emplace_back(run);
  const std::vector<std::string> names = detail::names_of(runs);
  for (const std::string& wanted : plot.metrics) {
    if (std::find(names.begin(), names.end(), wanted) != names.end()) continue;
    const std::string_view nearest = nearest_name(wanted, names);
    const bool alone = runs.size() == 1;
    raise("{} '{}'; {}",
          alone ? runs[0].path() + " has no metric" : "none of the runs has a metric", wanted,
          nearest.empty() ? (alone ? "it has " : "they have ") + join(names, ", ")
                          : fmt::format("hint: '{}'?", nearest));
  }
  Figure figure{std::string(enum_name(plot.x)), {}};
  for (const std::string& name :
       plot.metrics.empty() ? detail::usual_metrics(names) : plot.metrics) {
    figure.panels.push_back(detail::panel_of(name, plot, runs));
  }
  if (figure.panels.empty())
    raise("{}: expected loss, val_loss, rewards or lr, found none of them", join(plot.runs, ", "));
  return figure;
}

}  // namespace watch

POSTTRAIN_INLINE std::vector<std::string> plot(const Plot& plot) {
  const watch::Figure figure = watch::figure_of(plot);
  io::fs::path output(plot.output);
  if (output.empty()) {
    output = io::fs::path(plot.runs[0]);
    if (!io::fs::is_directory(output)) output = output.parent_path();
    output /= "curves";
  }
  const std::string ending = output.extension().string();
  const bool one = ending == ".svg" || ending == ".png";
  const io::fs::path folder = output.has_parent_path() ? output.parent_path() : io::fs::path(".");
  io::create_folders(folder);
  const io::TemporaryFolder temporary(folder, "curves");
  std::vector<std::string> written;
  for (const std::string format : {"svg", "png"}) {
    if (one && ending.substr(1) != format) continue;
    const std::string target = one ? output.string() : output.string() + "." + format;
    const io::fs::path drawn = temporary.path() / ("figure." + format);
    watch::run_gnuplot(watch::gnuplot_script(figure, format, drawn.string()));
    if (::rename(drawn.c_str(), target.c_str()) != 0) io::raise_errno("writing of", target);
    written.push_back(target);
  }
  return written;
}

}  // namespace posttrain
