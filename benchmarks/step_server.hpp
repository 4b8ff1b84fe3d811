// SPDX-License-Identifier: Apache-2.0
// Our side of the training benchmarks: one optimizer step for each line "step" on standard input.
//
// A data line is one step, used in turn: {"documents": [[ids], …], "lengths": [n, …]}. Tokens from
// lengths[i] on are padding, to compare with a padded equivalent: read but not scored, or with
// --score-padding scored with weight 0. Prints READY, then {"step", "loss", "grad_norm",
// "seconds"} for each step, and after "quit" an object with what the program reports.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/json_lines.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/trainer.hpp"

namespace posttrain::benchmarks {

/// The steps come from the driver; a Trainer wants a data policy all the same.
struct Driven {
  data::LoadedData load(const data::LoadContext&) const {
    data::LoadedData loaded;
    loaded.train.push_back({{0, 1}, {0.0F, 1.0F}, 0});
    return loaded;
  }
};

inline std::vector<TokenBatch> read_steps(const std::string& path, bool score_padding) {
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

struct ServerOptions {
  std::string model, data, dtype = "float32";
  std::int64_t steps = 0, warmup = 0;
  bool score_padding = false;

  void add_to(CLI::App& app) {
    app.add_option("--model", model)->required();
    app.add_option("--data", data);
    app.add_option("--dtype", dtype)->check(CLI::IsMember({"float32", "bfloat16"}));
    app.add_option("--steps", steps, "unused: the driver counts");
    app.add_option("--warmup", warmup, "unused: the driver counts");
    app.add_flag("--score-padding", score_padding);
  }

  hub::PretrainedDecoder decoder() const {
    return hub::PretrainedDecoder(model,
                                  {.dtype = dtype == "bfloat16" ? at::kBFloat16 : at::kFloat});
  }
};

inline Options step_options() {
  Options options;
  options.learning_rate = 1e-4;
  options.lr_scheduler = {.type = optim::LrScheduler::constant};
  options.progress = false;
  return options;
}

/// Hears the driver. `report(state)`: the members of the last line's object.
template <class Trainer, class Batch, class Report>
void serve_steps(Trainer& trainer, const std::vector<Batch>& steps, const Report& report) {
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
  fmt::print("{{{}}}\n", report(trainer.state()));
}

/// Next-token training of these parameters.
template <class Params, class Report>
void serve(const ServerOptions& server, const Params& params, const Report& report) {
  Trainer trainer(server.decoder(), NextToken{}, params, Driven{}, AdamW{}, step_options());
  serve_steps(trainer, read_steps(server.data, server.score_padding), report);
}

/// Parses, runs, and turns an error into one line.
template <class Run>
int run_server(CLI::App& app, int argc, char** argv, const Run& run) {
  CLI11_PARSE(app, argc, argv);
  try {
    run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace posttrain::benchmarks
