// SPDX-License-Identifier: Apache-2.0
// Definitions of log.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/describe.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/event_file_writer.hpp"
#include "posttrain/trainer/run/log.hpp"
#include "posttrain/trainer/run/metrics_writer.hpp"

namespace posttrain {

namespace detail {

/// A line of /proc/self/status in GiB.
inline double status_gib(const char* format) {
  double kib = 0.0;
  if (std::FILE* status = std::fopen("/proc/self/status", "r")) {
    char line[256];
    while (kib == 0.0 && std::fgets(line, sizeof line, status)) {
      if (std::sscanf(line, format, &kib) != 1) kib = 0.0;
    }
    std::fclose(status);
  }
  return kib / (1024.0 * 1024.0);
}

}  // namespace detail

// Not getrusage(): its maximum begins with that of the process that started this one.
POSTTRAIN_INLINE double peak_memory_gib() { return detail::status_gib("VmHWM: %lf kB"); }

POSTTRAIN_INLINE double resident_memory_gib() { return detail::status_gib("VmRSS: %lf kB"); }

class RunLog::Writer {
 public:
  Writer(const Options& options, const std::function<RunRecord()>& record)
      : options_(options), terminal_(isatty(STDERR_FILENO) == 1) {
    if (!options_.run_dir.empty()) record_ = record();
  }

  void begin(const std::string& line) {
    if (!options_.run_dir.empty()) {
      const io::fs::path folder(options_.run_dir.str());
      io::create_folders(folder);
      io::write_file_atomically(
          folder / "run.json",
          record_.json().dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    }
    if (options_.progress) fmt::print(stderr, "{}\n", line);
  }

  void note(const std::string& line) {
    clear_line();
    fmt::print(stderr, "{}\n", line);
  }

  void resume(std::int64_t step) {
    first_step_ = step;
    resumed_ = true;
  }

  void step(const StepMetrics& metrics, std::int64_t total_steps) {
    if (metrics.step % options_.logging_steps == 0 || metrics.step == total_steps) {
      write(to_metrics(metrics));
    }
    progress(metrics, total_steps);
  }

  void validation(std::int64_t step, double loss, bool best,
                  const std::vector<std::pair<std::string, double>>& metrics) {
    Json record{{"step", step}, {"val_loss", loss}, {"best", best}};
    for (const auto& [name, value] : metrics) record["val_" + name] = value;
    if (!is_last(step, "val_loss")) write(record);
    if (!options_.progress) return;
    clear_line();
    fmt::print(stderr, "step {} val_loss {:.4f}{}\n", step, loss, best ? " (best)" : "");
  }

  void finish() {
    if (terminal_ && line_open_) std::fputc('\n', stderr);
    line_open_ = false;
  }

 private:
  using Clock = std::chrono::steady_clock;

  io::fs::path metrics_path() const {
    return io::fs::path(options_.run_dir.str()) / options_.metrics_file.str();
  }

  static Json to_metrics(const StepMetrics& metrics) {
    Json record;
    for_each_field(metrics, [&](std::string_view name, const auto& value) {
      if constexpr (std::is_arithmetic_v<std::remove_cvref_t<decltype(value)>>) {
        record[std::string(name)] = value;
      } else {
        for (const auto& [own, mean] : value) record[own] = mean;
      }
    });
    return record;
  }

  void write(const Json& record) {
    if (!options_.run_dir.empty()) file().write(record);
    if (!options_.tensorboard_log_dir.empty()) write_events(record);
  }

  /// The numbers of a record under their names; whether a validation was the best is none.
  void write_events(const Json& record) {
    std::vector<std::pair<std::string, double>> numbers;
    for (const auto& [name, value] : record.items()) {
      if (name != "step" && value.is_number()) numbers.emplace_back(name, value.get<double>());
    }
    if (!events_) {
      events_.emplace(options_.tensorboard_log_dir.str(), first_step_ + 1);
      if (events_->follows_others() && !resumed_) {
        note(
            fmt::format("tensorboard_log_dir {} holds event files of an earlier run, which "
                        "TensorBoard no longer shows",
                        options_.tensorboard_log_dir.view()));
      }
    }
    events_->write(record.at("step"), numbers);
  }

  io::MetricsWriter& file() {
    if (!file_ && resumed_) file_.emplace(metrics_path(), first_step_);
    if (!file_) file_.emplace(metrics_path());
    return *file_;
  }

  /// Whether the file that is continued ends with such a record of this step.
  bool is_last(std::int64_t step, const char* key) {
    if (!resumed_ || options_.run_dir.empty()) return false;
    const Json& last = file().last();
    return last.contains(key) && last.value("step", Json()) == step;
  }

  /// On a terminal one line rewritten in place; elsewhere a line now and then.
  void progress(const StepMetrics& metrics, std::int64_t total_steps) {
    if (!options_.progress) return;
    const auto now = Clock::now();
    if (!started_) {
      started_ = now - std::chrono::duration_cast<Clock::duration>(
                           std::chrono::duration<double>(metrics.time_per_batch));
    }
    const bool last = metrics.step == total_steps;
    const auto pause = std::chrono::milliseconds(terminal_ ? 100 : 5000);
    if (!last && line_shown_ && now - shown_at_ < pause) return;
    shown_at_ = now;
    line_shown_ = true;
    const double elapsed = std::chrono::duration<double>(now - *started_).count();
    const auto done = static_cast<double>(metrics.step - first_step_);
    const auto eta = static_cast<std::int64_t>(
        done > 0 ? elapsed / done * static_cast<double>(total_steps - metrics.step) : 0.0);
    clear_line();
    fmt::print(
        stderr,
        "step {}/{} epoch {:.2f} loss {:.4f} lr {:.2e} grad_norm {:.3f} {:.0f} tok/s ETA {}:{:02}",
        metrics.step, total_steps, metrics.epoch, metrics.loss, metrics.lr, metrics.grad_norm,
        metrics.tokens_per_second, eta / 60, eta % 60);
    if (!terminal_) std::fputc('\n', stderr);
    line_open_ = terminal_;
    std::fflush(stderr);
  }

  void clear_line() {
    if (terminal_) fmt::print(stderr, "\r\x1b[K");
  }

  Options options_;
  RunRecord record_{};
  bool terminal_;
  bool line_open_ = false;
  bool line_shown_ = false;
  std::int64_t first_step_ = 0;
  bool resumed_ = false;
  std::optional<Clock::time_point> started_;  // of the first step: what came before is not its pace
  Clock::time_point shown_at_{};
  std::optional<io::MetricsWriter> file_;
  std::optional<io::EventFileWriter> events_;
};

POSTTRAIN_INLINE RunLog::RunLog(const Options& options, const std::function<RunRecord()>& record,
                                bool speaks)
    : writer_(speaks ? std::make_unique<Writer>(options, record) : nullptr) {}

POSTTRAIN_INLINE RunLog::~RunLog() = default;

POSTTRAIN_INLINE RunLog::RunLog(RunLog&&) noexcept = default;

POSTTRAIN_INLINE RunLog& RunLog::operator=(RunLog&&) noexcept = default;

POSTTRAIN_INLINE void RunLog::begin(const std::string& line) {
  if (writer_) writer_->begin(line);
}

POSTTRAIN_INLINE void RunLog::note(const std::string& line) {
  if (writer_) writer_->note(line);
}

POSTTRAIN_INLINE void RunLog::resume(std::int64_t step) {
  if (writer_) writer_->resume(step);
}

POSTTRAIN_INLINE void RunLog::step(const StepMetrics& metrics, std::int64_t total_steps) {
  if (writer_) writer_->step(metrics, total_steps);
}

POSTTRAIN_INLINE void RunLog::validation(
    std::int64_t step, double loss, bool best,
    const std::vector<std::pair<std::string, double>>& metrics) {
  if (writer_) writer_->validation(step, loss, best, metrics);
}

POSTTRAIN_INLINE void RunLog::finish() {
  if (writer_) writer_->finish();
}

}  // namespace posttrain
