// SPDX-License-Identifier: Apache-2.0
// Our side of benchmarks/sft.py: one optimizer step for each line "step" on standard input.
//
//   sft_server --model DIR --data steps.jsonl [--dtype bfloat16] [--score-padding]
//
// A data line is one step, used in turn: {"documents": [[ids], …], "lengths": [n, …]}. Tokens from
// lengths[i] on are padding, to compare with a padded equivalent: read but not scored, or with
// --score-padding scored with weight 0. Prints
// READY, then {"step", "loss", "grad_norm", "seconds"} for each step, {"peak_memory"} in bytes
// after "quit".
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/json_lines.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"

namespace {

using namespace posttrain;

/// The steps come from the driver; a Trainer wants a data policy all the same.
struct Driven {
  data::LoadedData load(const data::LoadContext&) const {
    data::LoadedData loaded;
    loaded.train.push_back({{0, 1}, {0.0F, 1.0F}, 0});
    return loaded;
  }
};

std::vector<TokenBatch> read_steps(const std::string& path, bool score_padding) {
  std::vector<TokenBatch> steps;
  io::JsonLinesReader reader{io::fs::path(path)};
  while (const auto record = reader.next()) {
    if (!record->error.empty()) raise("{}: {}", reader.where(record->line), record->error);
    BatchBuilder builder;
    const auto documents = record->value.at("documents").get<std::vector<TokenIds>>();
    for (std::size_t i = 0; i < documents.size(); ++i) {
      const std::size_t scored = record->value.contains("lengths")
                                     ? record->value["lengths"].at(i).get<std::size_t>()
                                     : documents[i].size();
      std::vector<float> weights(documents[i].size(), 0.0F);
      std::fill_n(weights.begin(), scored, 1.0F);
      builder.add(documents[i], -1, static_cast<std::int64_t>(i));
      builder.score(weights, /*keep_unweighted=*/score_padding);
      builder.end_sequence(static_cast<std::int64_t>(i));
    }
    steps.push_back(std::move(builder).build());
  }
  return steps;
}

void serve(const std::string& model_folder, const std::string& data, const std::string& dtype,
           bool score_padding) {
  Options options;
  options.learning_rate = 1e-4;
  options.lr_scheduler = {.type = optim::LrScheduler::constant};
  options.progress = false;
  Trainer trainer(hub::PretrainedDecoder(
                      model_folder, {.dtype = dtype == "bfloat16" ? at::kBFloat16 : at::kFloat}),
                  NextToken{}, Full{}, Driven{}, AdamW{}, options);
  const std::vector<TokenBatch> steps = read_steps(data, score_padding);
  std::printf("READY\n");
  std::fflush(stdout);
  std::int64_t step = 0;
  for (std::string line; std::getline(std::cin, line) && line != "quit"; ++step) {
    const StepMetrics metrics =
        trainer.step({steps[static_cast<std::size_t>(step) % steps.size()]});
    fmt::print("{{\"step\": {}, \"loss\": {:.9g}, \"grad_norm\": {:.9g}, \"seconds\": {:.6f}}}\n",
               step, metrics.loss, metrics.grad_norm, metrics.time_per_batch);
    std::fflush(stdout);
  }
  fmt::print("{{\"peak_memory\": {:.0f}}}\n", peak_memory_gib() * 1024 * 1024 * 1024);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Our side of benchmarks/sft.py");
  std::string model, data, dtype = "float32";
  std::int64_t steps = 0, warmup = 0;
  bool score_padding = false;
  app.add_option("--model", model)->required();
  app.add_option("--data", data)->required();
  app.add_option("--dtype", dtype)->check(CLI::IsMember({"float32", "bfloat16"}));
  app.add_option("--steps", steps, "unused: the driver counts");
  app.add_option("--warmup", warmup, "unused: the driver counts");
  app.add_flag("--score-padding", score_padding);
  CLI11_PARSE(app, argc, argv);
  try {
    serve(model, data, dtype, score_padding);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
