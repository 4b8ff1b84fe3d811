// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/run/log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "posttrain/tensor/tensor.hpp"  // what is compiled of trainer/ links LibTorch
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

namespace {

RunRecord some_record() {
  RunRecord record;
  record.add("loss", std::string_view("NextToken"));
  return record;
}

Options in_folder(const std::filesystem::path& folder) {
  return {.run_dir = folder.string(), .logging_steps = 2, .progress = false};
}

std::vector<nlohmann::json> records(const std::filesystem::path& file) {
  std::vector<nlohmann::json> all;
  std::istringstream lines(slurp(file));
  for (std::string line; std::getline(lines, line);) all.push_back(nlohmann::json::parse(line));
  return all;
}

/// What `action` writes on standard error.
std::string said(const TempFolder& scratch, const std::function<void()>& action) {
  const std::string path = (scratch / "stderr").string();
  std::fflush(stderr);
  const int before = ::dup(STDERR_FILENO);
  const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  ::dup2(file, STDERR_FILENO);
  action();
  std::fflush(stderr);
  ::dup2(before, STDERR_FILENO);
  ::close(file);
  ::close(before);
  return slurp(path);
}

/// How many records each event file of a folder has, in the order of the files' names.
std::vector<int> event_counts(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry);
  std::sort(files.begin(), files.end());
  std::vector<int> counts;
  for (const auto& path : files) {
    const std::string text = slurp(path);
    counts.push_back(0);
    for (std::size_t at = 0; at < text.size(); ++counts.back()) {
      std::uint64_t size = 0;
      std::memcpy(&size, text.data() + at, sizeof size);
      at += size + 16;  // with its length and two checksums
    }
  }
  return counts;
}

}  // namespace

TEST_CASE("a run leaves its record and every logging_steps-th step, the last always",
          "[trainer][log]") {
  const TempFolder scratch;
  const auto folder = scratch / "runs/a";
  RunLog log(in_folder(folder), some_record);
  CHECK_FALSE(std::filesystem::exists(folder));  // a run that is refused leaves no trace
  log.begin("");
  for (std::int64_t step = 1; step <= 5; ++step) {
    log.step({.step = step, .loss = 0.5, .loss_metrics = {{"accuracy", 0.25}}}, 5);
  }
  log.validation(5, 0.75, true, {{"accuracy", 0.5}});
  log.finish();
  CHECK(nlohmann::json::parse(slurp(folder / "run.json")) == nlohmann::json{{"loss", "NextToken"}});
  const auto written = records(folder / "metrics.jsonl");
  REQUIRE(written.size() == 4);
  CHECK(written[0]["step"] == 2);
  CHECK(written[1]["step"] == 4);
  CHECK(written[2]["step"] == 5);
  CHECK(written[2]["accuracy"] == 0.25);
  CHECK(written[3] == nlohmann::json::parse(
                          R"({"step": 5, "val_loss": 0.75, "best": true, "val_accuracy": 0.5})"));
}

TEST_CASE("a resumed run goes on behind the steps that are done", "[trainer][log][C25]") {
  const TempFolder scratch;
  Options options = in_folder(scratch / "run");
  options.logging_steps = 1;
  {
    RunLog log(options, some_record);
    for (std::int64_t step = 1; step <= 4; ++step) log.step({.step = step}, 9);
  }
  RunLog log(options, some_record);
  log.resume(2);
  log.step({.step = 3, .loss = 7.0}, 9);
  const auto written = records(scratch / "run/metrics.jsonl");
  REQUIRE(written.size() == 3);
  CHECK(written[2]["loss"] == 7.0);
  log.validation(3, 0.5, true, {});
  // A run that ends a second time after the same step adds no second validation of it.
  RunLog again(options, some_record);
  again.resume(3);
  again.validation(3, 0.5, false, {});
  CHECK(records(scratch / "run/metrics.jsonl").size() == 4);
  again.step({.step = 4}, 9);
  again.validation(4, 0.25, true, {});
  CHECK(records(scratch / "run/metrics.jsonl").size() == 6);
}

TEST_CASE("without a folder nothing is written, nor the record made", "[trainer][log]") {
  RunLog log({.progress = false}, []() -> RunRecord { throw std::runtime_error("made"); });
  CHECK_NOTHROW(log.step({.step = 1}, 1));
  const TempFolder scratch;
  scratch.write("file", "");
  RunLog bad(in_folder(scratch / "file/run"), some_record);
  CHECK(contains(error_of([&] { bad.begin(""); }), "cannot create folder"));
  CHECK(resident_memory_gib() > 0.0);
  CHECK(peak_memory_gib() >= resident_memory_gib());
}

TEST_CASE("event files hold what metrics.jsonl holds, one file for each session",
          "[trainer][log]") {
  const TempFolder scratch;
  Options options = in_folder(scratch / "run");
  options.tensorboard_log_dir = (scratch / "events").string();
  {
    RunLog log(options, some_record);
    log.begin("");
    CHECK_FALSE(std::filesystem::exists(scratch / "events"));
    for (std::int64_t step = 1; step <= 5; ++step) log.step({.step = step}, 9);
    log.validation(5, 0.75, true, {{"accuracy", 0.5}});
  }
  // The version and two of five steps and the validation.
  CHECK(event_counts(scratch / "events") == std::vector<int>{4});
  CHECK(records(scratch / "run/metrics.jsonl").size() == 3);
  {
    RunLog log(options, some_record);
    log.resume(4);
    const std::string text = said(scratch, [&] {
      for (std::int64_t step = 5; step <= 9; ++step) log.step({.step = step}, 9);
    });
    CHECK(text.empty());
  }
  // The version, the start, three steps.
  CHECK(event_counts(scratch / "events") == std::vector<int>{4, 5});
  const auto files = std::filesystem::directory_iterator(scratch / "events");
  for (const auto& entry : files) {
    CHECK(contains(slurp(entry.path()), "total_tokens_accumulated"));
    CHECK_FALSE(contains(slurp(entry.path()), "best"));
  }
  RunLog anew(options, some_record);
  CHECK(contains(said(scratch, [&] { anew.step({.step = 2}, 9); }),
                 "holds event files of an earlier run, which TensorBoard no longer shows"));
}

TEST_CASE("event files need no run_dir", "[trainer][log]") {
  const TempFolder scratch;
  Options options;
  options.progress = false;
  options.tensorboard_log_dir = (scratch / "events").string();
  RunLog log(options, some_record);
  log.step({.step = 1, .loss = 0.5, .loss_metrics = {{"accuracy", 0.25}}}, 1);
  CHECK(event_counts(scratch / "events") == std::vector<int>{2});
}

TEST_CASE("the time that is left follows from this session's steps alone", "[trainer][log][C25]") {
  const TempFolder scratch;
  Options options;
  RunLog log(options, some_record);
  log.resume(1000);
  // One step of 90 s is done and ten are left: 15 minutes. 1001 steps in 90 s would leave 0:00.
  const std::string text =
      said(scratch, [&] { log.step({.step = 1001, .epoch = 3.5, .time_per_batch = 90.0}, 1011); });
  CHECK(contains(text, "step 1001/1011 epoch 3.50"));
  CHECK(contains(text, "ETA 15:0"));
}
