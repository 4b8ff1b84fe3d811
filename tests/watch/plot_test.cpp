// SPDX-License-Identifier: Apache-2.0
#include "posttrain/watch/plot.hpp"

#include "support/catch.hpp"
#include "support/gnuplot.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

namespace {

/// A run in `scratch/name` whose loss is 1/step.
std::string write_run(const TempFolder& scratch, const std::string& name, int steps,
                      const std::string& more = "") {
  std::filesystem::create_directories(scratch / name);
  std::string text;
  for (int step = 1; step <= steps; ++step) {
    text += fmt::format(
        "{{\"step\": {0}, \"loss\": {1}, \"lr\": 0.5, \"grad_norm\": 1, "
        "\"total_tokens_accumulated\": {2}{3}}}\n",
        step, 1.0 / step, 100 * step, more);
  }
  text += fmt::format("{{\"step\": {}, \"val_loss\": 0.25, \"best\": true}}\n", steps);
  return std::filesystem::path(scratch.write(name + "/metrics.jsonl", text)).parent_path().string();
}

std::vector<std::string> titles(const watch::Figure& figure) {
  std::vector<std::string> all;
  for (const watch::Panel& panel : figure.panels) all.push_back(panel.title);
  return all;
}

}  // namespace

TEST_CASE("a plot has a panel for loss, validation, rewards and learning rate, as far as logged",
          "[watch]") {
  const TempFolder scratch;
  const std::string supervised = write_run(scratch, "sft", 3);
  const std::string rewarded = write_run(
      scratch, "grpo", 2,
      ", \"reward\": 0.5, \"reward_std\": 1, \"rewards/sum/mean\": 1, \"rewards/sum/std\": 1");
  CHECK(titles(watch::figure_of({.runs = {supervised}, .ema_span = 0})) ==
        std::vector<std::string>{"loss", "val_loss", "lr"});
  const watch::Figure both = watch::figure_of({.runs = {supervised, rewarded}});
  CHECK(titles(both) ==
        std::vector<std::string>{"loss, and its moving average of span 30", "val_loss",
                                 "reward, and its moving average of span 30",
                                 "rewards/sum/mean, and its moving average of span 30", "lr"});
  CHECK(both.x_label == "step");
  // Two runs, each with its points and their average.
  const auto& lines = both.panels[0].lines;
  REQUIRE(lines.size() == 4);
  CHECK(lines[0].faint);
  CHECK(lines[0].label.empty());
  CHECK(lines[0].curve.y == std::vector<double>{1.0, 0.5, 1.0 / 3.0});
  CHECK_FALSE(lines[1].faint);
  CHECK(lines[1].label == "sft");
  CHECK(lines[1].curve.x == lines[0].curve.x);
  CHECK(lines[1].curve.y[1] == Approx(1.0 - 0.5 * 2.0 / 31.0));
  CHECK(lines[3].label == "grpo");
  CHECK(lines[3].color == 1);
  // A run keeps its color where another has nothing to show.
  REQUIRE(both.panels[2].lines.size() == 2);
  CHECK(both.panels[2].lines[1].color == 1);
  CHECK(both.panels[1].lines.size() == 2);  // val_loss is drawn as it is
}

TEST_CASE("a plot draws chosen metrics over a chosen axis, under chosen names", "[watch]") {
  const TempFolder scratch;
  const std::string run = write_run(scratch, "a", 3);
  const watch::Figure figure = watch::figure_of({.runs = {run + "/metrics.jsonl", run + "/"},
                                                 .labels = {},
                                                 .metrics = {"grad_norm"},
                                                 .x = PlotAxis::tokens,
                                                 .ema_span = 1});
  CHECK(titles(figure) == std::vector<std::string>{"grad_norm"});
  CHECK(figure.x_label == "tokens");
  REQUIRE(figure.panels[0].lines.size() == 2);
  CHECK(figure.panels[0].lines[0].label == "a");
  CHECK(figure.panels[0].lines[1].label == "a");
  CHECK(figure.panels[0].lines[0].curve.x == std::vector<double>{100, 200, 300});
  CHECK(watch::figure_of({.runs = {run}, .labels = {"mine"}}).panels[0].lines[1].label == "mine");
}

TEST_CASE("what cannot be drawn is refused in one line", "[watch]") {
  const TempFolder scratch;
  const std::string run = write_run(scratch, "a", 3);
  CHECK(error_of([] { plot({}); }) == "posttrain: Plot.runs must name a run");
  CHECK(error_of([&] {
          plot({.runs = {run}, .labels = {"a", "b"}});
        }) == "posttrain: Plot.labels must be empty or one for each of 1 runs, got 2");
  CHECK(error_of([&] { plot({.runs = {run}, .ema_span = -1}); }) ==
        "posttrain: Plot.ema_span must not be negative");
  CHECK(contains(error_of([&] { plot({.runs = {run}, .metrics = {"gradnorm"}}); }),
                 "metrics.jsonl has no metric 'gradnorm'; hint: 'grad_norm'?"));
  CHECK(contains(error_of([&] {
                   plot({.runs = {run, run}, .metrics = {"advantages"}});
                 }),
                 "none of the runs has a metric 'advantages'; they have loss, lr, grad_norm"));
  const std::string empty = scratch.write("empty.jsonl", "{\"step\": 1, \"grad_norm\": 1}\n");
  CHECK(contains(error_of([&] { plot({.runs = {empty}}); }),
                 "empty.jsonl: expected loss, val_loss, rewards or lr, found none of them"));
}

TEST_CASE("a plot writes whole files where it is told, both formats by default", "[watch]") {
  const TempFolder scratch;
  const std::string run = write_run(scratch, "a", 40);
  // Stands in for gnuplot: writes the script itself to where the figure belongs.
  scratch.write("gnuplot",
                "#!/bin/bash\nscript=$(/bin/cat)\n"
                "echo \"$script\" > \"$(echo \"$script\" | /bin/sed -n \"s/^set output "
                "'\\(.*\\)'/\\1/p\")\"\n");
  std::filesystem::permissions(scratch / "gnuplot", std::filesystem::perms::owner_all);
  const test::PathOnly path(scratch.path().string());
  CHECK(plot({.runs = {run}}) ==
        std::vector<std::string>{run + "/curves.svg", run + "/curves.png"});
  CHECK(contains(slurp(run + "/curves.svg"), "set terminal svg "));
  CHECK(contains(slurp(run + "/curves.png"), "set terminal pngcairo "));
  const std::string other = (scratch / "pictures/of.a/x").string();
  CHECK(plot({.runs = {run}, .output = other}) ==
        std::vector<std::string>{other + ".svg", other + ".png"});
  CHECK(plot({.runs = {run}, .output = other + ".png"}) ==
        std::vector<std::string>{other + ".png"});
  int left = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scratch / "pictures/of.a")) {
    left += entry.path().extension() == ".svg" || entry.path().extension() == ".png" ? 0 : 1;
  }
  CHECK(left == 0);
}

TEST_CASE("gnuplot draws two runs", "[watch]") {
  POSTTRAIN_GNUPLOT_OR_SKIP();
  const TempFolder scratch;
  const std::string small = write_run(scratch, "small", 1), large = write_run(scratch, "large", 50);
  const std::string curves = (scratch / "curves").string();
  const std::vector<std::string> runs{small, large};
  // [snippet: plot]
  plot({.runs = runs, .output = curves, .x = PlotAxis::tokens});  // curves.svg and curves.png
  // [/snippet]
  CHECK(contains(slurp(curves + ".svg"), "val_loss"));
  CHECK(slurp(curves + ".png").starts_with("\x89PNG"));
}
