// SPDX-License-Identifier: Apache-2.0
#include "posttrain/watch/run_metrics.hpp"

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::TempFolder;
using posttrain::watch::Curve;
using posttrain::watch::RunMetrics;

namespace {

using Numbers = std::vector<double>;

/// Steps 2 and 4 of a run with logging_steps = 2, a validation after step 3, one after step 4.
constexpr const char* kMetrics = R"({"note": 1}
{"step": 2, "loss": 3.5, "lr": 0.1, "total_tokens_accumulated": 100, "total_samples_accumulated": 8, "time_per_batch": 0.5}
{"step": 3, "val_loss": 2.5, "best": true}
{"step": 4, "loss": null, "lr": 0.2, "total_tokens_accumulated": 300, "total_samples_accumulated": 16, "time_per_batch": 1.5}
{"step": 4, "val_loss": 2.25, "best": true}
)";

}  // namespace

TEST_CASE("the metrics of a run are curves over steps, tokens, samples or seconds", "[watch]") {
  const TempFolder run;
  run.write("metrics.jsonl", kMetrics);
  const RunMetrics metrics(run.path().string());
  CHECK(metrics.path() == (run / "metrics.jsonl").string());
  CHECK(metrics.names() == std::vector<std::string>{"loss", "lr", "total_tokens_accumulated",
                                                    "total_samples_accumulated", "time_per_batch",
                                                    "val_loss"});
  const auto x_of = [&](const char* name, PlotAxis axis) { return metrics.curve(name, axis).x; };
  CHECK(x_of("lr", PlotAxis::step) == Numbers{2, 4});
  CHECK(x_of("lr", PlotAxis::tokens) == Numbers{100, 300});
  CHECK(x_of("lr", PlotAxis::samples) == Numbers{8, 16});
  CHECK(x_of("lr", PlotAxis::seconds) == Numbers{1, 4});  // a logged step stands for two
  CHECK(metrics.curve("lr", PlotAxis::step).y == Numbers{0.1, 0.2});
  // Step 3 is not logged: it lies in the middle.
  CHECK(x_of("val_loss", PlotAxis::tokens) == Numbers{200, 300});
  CHECK(x_of("val_loss", PlotAxis::seconds) == Numbers{2.5, 4});
  CHECK(metrics.curve("val_loss", PlotAxis::step).y == Numbers{2.5, 2.25});
  // A loss that was no number is null in the file.
  CHECK(x_of("loss", PlotAxis::step) == Numbers{2});
  CHECK(x_of("reward", PlotAxis::step).empty());
}

TEST_CASE("a run that goes on ends in a torn line, and its file may be named itself", "[watch]") {
  const TempFolder run;
  const std::string path = run.write("own.jsonl", "{\"step\": 1, \"loss\": 2}\n{\"step\": 2, \"lo");
  CHECK(RunMetrics(path).curve("loss", PlotAxis::step).y == Numbers{2});
  // Without counts of tokens a point stands at none.
  CHECK(RunMetrics(path).curve("loss", PlotAxis::tokens).x == Numbers{0});
}

TEST_CASE("what holds no metrics is refused by name", "[watch]") {
  const TempFolder run;
  CHECK_THROWS_WITH(RunMetrics(run.path().string()),
                    Catch::Contains("of a run that has logged a step, found no metrics.jsonl"));
  CHECK_THROWS_WITH(RunMetrics((run / "none").string()), Catch::Contains("found no such folder"));
  const std::string torn = run.write("torn.jsonl", "{\"step\": 1\n{\"step\": 2}\n{\"step\": 3}\n");
  CHECK_THROWS_WITH(RunMetrics(torn), Catch::Contains("torn.jsonl:1: "));
  const std::string list = run.write("list.jsonl", "{\"step\": 1}\n3\n");
  CHECK_THROWS_WITH(RunMetrics(list), Catch::Contains("list.jsonl:2: "));
}
