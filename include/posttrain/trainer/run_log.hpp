// SPDX-License-Identifier: Apache-2.0
// What a run leaves to read: run.json (every policy and option), metrics.jsonl, a progress line.
#pragma once

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "posttrain/core/describe.hpp"
#include "posttrain/core/events.hpp"
#include "posttrain/io/atomic_file.hpp"
#include "posttrain/io/metrics_writer.hpp"
#include "posttrain/trainer/options.hpp"

namespace posttrain {

/// An aggregate as JSON: {"type": "NextToken", "label_smoothing": 0.1, …}.
template <class T>
nlohmann::ordered_json to_record(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return std::string(enum_name(value));
  } else if constexpr (std::is_arithmetic_v<T>) {
    return value;
  } else if constexpr (std::is_convertible_v<T, std::string_view>) {
    return std::string(std::string_view(value));
  } else if constexpr (std::is_convertible_v<T, std::vector<std::string>>) {
    return value;
  } else {
    nlohmann::ordered_json record = {{"type", std::string(type_name<T>())}};
    for_each_field(value, [&](std::string_view name, const auto& field) {
      record[std::string(name)] = to_record(field);
    });
    return record;
  }
}

/// Peak resident memory of the process in GiB.
inline double peak_memory_gib() {
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / (1024.0 * 1024.0);
}

class RunLog {
 public:
  /// `record()` makes the content of run.json; called only if there is a run_dir.
  template <class Record>
  RunLog(const Options& options, Record record)
      : options_(options), terminal_(isatty(STDERR_FILENO) == 1) {
    if (options_.run_dir.empty()) return;
    const io::fs::path folder(options_.run_dir.str());
    std::error_code error;
    io::fs::create_directories(folder, error);
    if (error) raise("cannot create folder {}: {}", folder.string(), error.message());
    io::write_file_atomically(folder / "run.json", record().dump(2) + "\n");
  }

  /// The run goes on after `step` steps of an earlier one.
  void resume(std::int64_t step) {
    first_step_ = step;
    if (!options_.run_dir.empty()) writer_.emplace(metrics_path(), step);
  }

  void step(const StepMetrics& metrics, std::int64_t total_steps) {
    if (metrics.step % options_.logging_steps == 0 || metrics.step == total_steps) {
      write(to_metrics(metrics));
    }
    progress(metrics, total_steps);
  }

  void validation(std::int64_t step, double loss, bool best) {
    write({{"step", step}, {"val_loss", loss}, {"best", best}});
    if (!options_.progress) return;
    clear_line();
    fmt::print(stderr, "step {} val_loss {:.4f}{}\n", step, loss, best ? " (best)" : "");
  }

  /// Ends the progress line.
  void finish() {
    if (terminal_ && line_open_) std::fputc('\n', stderr);
    line_open_ = false;
  }

 private:
  using Clock = std::chrono::steady_clock;

  io::fs::path metrics_path() const {
    return io::fs::path(options_.run_dir.str()) / "metrics.jsonl";
  }

  static nlohmann::ordered_json to_metrics(const StepMetrics& metrics) {
    nlohmann::ordered_json record;
    for_each_field(metrics, [&](std::string_view name, const auto& value) {
      record[std::string(name)] = value;
    });
    return record;
  }

  void write(const nlohmann::ordered_json& record) {
    if (options_.run_dir.empty()) return;
    if (!writer_) writer_.emplace(metrics_path());
    writer_->write(record);
  }

  /// On a terminal one line rewritten in place; elsewhere a line now and then.
  void progress(const StepMetrics& metrics, std::int64_t total_steps) {
    if (!options_.progress) return;
    const auto now = Clock::now();
    const bool last = metrics.step == total_steps;
    const auto pause = std::chrono::milliseconds(terminal_ ? 100 : 5000);
    if (!last && line_shown_ && now - shown_at_ < pause) return;
    shown_at_ = now;
    line_shown_ = true;
    const double elapsed = std::chrono::duration<double>(now - started_).count();
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
  bool terminal_;
  bool line_open_ = false;
  bool line_shown_ = false;
  std::int64_t first_step_ = 0;
  Clock::time_point started_ = Clock::now();
  Clock::time_point shown_at_{};
  std::optional<io::MetricsWriter> writer_;
};

}  // namespace posttrain
