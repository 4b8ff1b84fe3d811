// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/run/log.hpp"

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
  CHECK(peak_memory_gib() > 0.0);
}
