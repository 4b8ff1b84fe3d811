// SPDX-License-Identifier: Apache-2.0
// What tasks learned one after another cost each other: a table of every task after every stage.
//
//   ForgettingReport report({"a", "b", "c"});
//   report.add("after b", {retention_of_a, retention_of_b, retention_of_c});
//   fmt::print("{}", report.text());
//
// Forgetting of a task is the best it ever did minus what it does at the end, over the tasks before
// the last (arXiv 1801.10112 §3.1).
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/evaluate/retention.hpp"

namespace posttrain {

class ForgettingReport {
 public:
  struct Stage {
    std::string name;
    std::vector<Retention> tasks;  // in the order of the report
  };

  explicit ForgettingReport(std::vector<std::string> tasks) : tasks_(std::move(tasks)) {
    if (tasks_.empty()) fail("a report of forgetting needs at least one task");
  }

  /// Adds a stage: one measurement for each task.
  void add(std::string stage, std::vector<Retention> tasks) {
    if (tasks.size() != tasks_.size()) {
      raise("stage {}: expected one measurement for each of {} tasks, got {}", stage, tasks_.size(),
            tasks.size());
    }
    stages_.push_back({std::move(stage), std::move(tasks)});
  }

  const std::vector<std::string>& tasks() const { return tasks_; }
  const std::vector<Stage>& stages() const { return stages_; }

  /// How far a task's share of exact matches fell from its best stage, in [−1, 1]; NaN before the
  /// first stage.
  double forgotten(std::size_t task) const {
    if (stages_.empty()) return std::numeric_limits<double>::quiet_NaN();
    double best = 0.0;
    for (const Stage& stage : stages_) best = std::max(best, stage.tasks.at(task).exact_match);
    return best - stages_.back().tasks.at(task).exact_match;
  }

  /// Mean over all tasks but the last, which nothing came after.
  double average_forgetting() const {
    if (tasks_.size() < 2) return 0.0;
    double sum = 0.0;
    for (std::size_t task = 0; task + 1 < tasks_.size(); ++task) sum += forgotten(task);
    return sum / static_cast<double>(tasks_.size() - 1);
  }

  /// Mean exact matches over all tasks at the end.
  double final_accuracy() const {
    if (stages_.empty()) return std::numeric_limits<double>::quiet_NaN();
    double sum = 0.0;
    for (const Retention& task : stages_.back().tasks) sum += task.exact_match;
    return sum / static_cast<double>(tasks_.size());
  }

  /// One line for each stage, then the summary.
  std::string text() const {
    std::string all = fmt::format("{:<16}", "exact match");
    for (const std::string& task : tasks_) all += fmt::format("{:>9}", task);
    all += fmt::format("{:>12}{:>12}\n", "loss", "KL to base");
    for (const Stage& stage : stages_) {
      all += fmt::format("{:<16}", stage.name);
      double loss = 0.0, kl = 0.0;
      for (const Retention& task : stage.tasks) {
        all += fmt::format("{:>7.1f} %", 100.0 * task.exact_match);
        loss += task.loss / static_cast<double>(tasks_.size());
        kl += task.kl / static_cast<double>(tasks_.size());
      }
      all += fmt::format("{:>12.4f}{:>12.4f}\n", loss, kl);
    }
    return all + fmt::format("forgotten on average {:.1f} points, final mean {:.1f} %\n",
                             100.0 * average_forgetting(), 100.0 * final_accuracy());
  }

 private:
  std::vector<std::string> tasks_;
  std::vector<Stage> stages_;
};

}  // namespace posttrain
