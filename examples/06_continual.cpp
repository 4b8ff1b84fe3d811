// SPDX-License-Identifier: Apache-2.0
// Tasks learned one after another, and what each costs the earlier ones:
//   06_continual --model examples/pocket/model --tasks examples/pocket/data/tasks --method osft
// Every task starts from the weights that the one before left; after each, all tasks are measured
// on held-out questions. --method full is the comparison: it forgets. --method osft-on-inputs
// protects what the examples of earlier tasks read, so it keeps those examples; osft needs none.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "posttrain/data/messages.hpp"
#include "posttrain/evaluate/forgetting.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/osft_on_inputs.hpp"
#include "posttrain/trainer.hpp"
#include "support/questions.hpp"

namespace {

using namespace posttrain;

struct Arguments {
  std::string model, tasks, output, method = "osft", work = "continual-work", first_task_from;
  std::vector<std::string> names{"a", "b", "c"};
  std::vector<double> ratios{0.25};
  OsftProjection projection = OsftProjection::both_sides;
  int first_seed = 1;
  int seeds = 1;

  std::string folder(const std::string& work_folder, std::uint64_t seed, std::size_t task) const {
    return fmt::format("{}/{}/{}", work_folder, seed, names[task]);
  }
};

/// What the model reads in the examples of these tasks, and only there.
InputStatistics inputs_of(const Arguments& arguments, const hub::PretrainedDecoder& model,
                          std::size_t tasks) {
  std::vector<TokenBatch> batches;
  for (std::size_t i = 0; i < tasks; ++i) {
    const std::string path = arguments.tasks + "/" + arguments.names[i] + ".jsonl";
    for (TokenBatch& batch : examples::conversation_batches(model, path)) {
      batches.push_back(std::move(batch));
    }
  }
  return input_statistics(model, Frozen{}.attach(model), batches);
}

/// Learns the tasks in order. `params_of(i, model)` is the parameter policy of task i.
template <class ParamsOf>
ForgettingReport learn(const Arguments& arguments, Options options, const ParamsOf& params_of) {
  ForgettingReport report(arguments.names);
  std::string folder = arguments.model;
  std::vector<std::vector<TokenBatch>> held_out;
  const hub::PretrainedDecoder base(arguments.model);
  for (const std::string& name : arguments.names) {
    held_out.push_back(
        examples::question_batches(base, arguments.tasks + "/" + name + "_heldout.jsonl"));
  }
  const FrozenState base_gate = Frozen{}.attach(base);
  const auto measure = [&](const std::string& stage, const auto& gate) {
    std::vector<Retention> scores;
    for (const auto& batches : held_out) {
      scores.push_back(measure_retention(base, gate, batches, &base_gate));
    }
    report.add(stage, std::move(scores));
  };
  measure("before", base_gate);
  for (std::size_t i = 0; i < arguments.names.size(); ++i) {
    if (i == 0 && !arguments.first_task_from.empty()) {
      folder = arguments.folder(arguments.first_task_from, options.seed, i);
      measure("after " + arguments.names[i], Frozen{}.attach(hub::PretrainedDecoder(folder)));
      continue;
    }
    const std::string path = arguments.tasks + "/" + arguments.names[i] + ".jsonl";
    // [snippet: task]
    const hub::PretrainedDecoder model(folder);
    Trainer trainer(model, NextToken{}, params_of(i, model), data::Messages{.path = path}, AdamW{},
                    options);
    trainer.train();
    measure("after " + arguments.names[i], trainer.state());
    folder = arguments.folder(arguments.work, options.seed, i);
    trainer.save(folder);
    // [/snippet]
  }
  return report;
}

ForgettingReport learn(const Arguments& arguments, const Options& options) {
  if (arguments.method == "full") {
    return learn(arguments, options, [](std::size_t, const auto&) { return Full{}; });
  }
  if (arguments.method == "lora") {
    return learn(arguments, options,
                 [](std::size_t, const auto&) { return Lora{.rank = 16, .alpha = 32}; });
  }
  const auto osft = [&](std::size_t task) {
    return Osft{
        .unfreeze_rank_ratio = arguments.ratios[std::min(task, arguments.ratios.size() - 1)],
        .projection = arguments.projection};
  };
  if (arguments.method == "osft") {
    return learn(arguments, options, [&](std::size_t task, const auto&) { return osft(task); });
  }
  return learn(arguments, options, [&](std::size_t task, const auto& model) {
    // The first task has none before it: what it is not to disturb are its own questions.
    return OsftOnInputs{osft(task), inputs_of(arguments, model, std::max<std::size_t>(task, 1))};
  });
}

void append_record(const Arguments& arguments, std::uint64_t seed, const ForgettingReport& report) {
  nlohmann::ordered_json record{{"method", arguments.method},
                                {"seed", seed},
                                {"tasks", report.tasks()},
                                {"average_forgetting", report.average_forgetting()},
                                {"final_accuracy", report.final_accuracy()}};
  for (const auto& stage : report.stages()) {
    nlohmann::ordered_json line{{"stage", stage.name}};
    for (std::size_t i = 0; i < stage.tasks.size(); ++i) {
      const Retention& task = stage.tasks[i];
      line["exact_match"].push_back(task.exact_match);
      line["loss"].push_back(task.loss);
      line["kl"].push_back(task.kl);
    }
    record["stages"].push_back(line);
  }
  std::FILE* file = std::fopen(arguments.output.c_str(), "a");
  if (!file) raise("cannot write {}", arguments.output);
  fmt::print(file, "{}\n", record.dump());
  std::fclose(file);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Learns tasks one after another and reports what is forgotten");
  Arguments arguments;
  Options options;
  options.effective_batch_size = 32;
  options.learning_rate = 1e-3;
  options.num_epochs = 4;
  options.warmup_steps = 10;
  app.add_option("--model", arguments.model, "checkpoint folder")->required();
  app.add_option("--tasks", arguments.tasks, "folder of NAME.jsonl and NAME_heldout.jsonl")
      ->required();
  app.add_option("--names", arguments.names, "of the tasks, in order")->capture_default_str();
  app.add_option("--method", arguments.method)
      ->check(CLI::IsMember({"full", "lora", "osft", "osft-on-inputs"}))
      ->capture_default_str();
  app.add_option("--ratios", arguments.ratios,
                 "unfreeze_rank_ratio of each task; the last one goes on")
      ->capture_default_str();
  app.add_option("--projection", arguments.projection, "of the changes: see docs/parameters.md")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, OsftProjection>{{"both_sides", OsftProjection::both_sides},
                                                {"joint", OsftProjection::joint},
                                                {"input_only", OsftProjection::input_only}}))
      ->default_str("both_sides");
  app.add_option("--first-seed", arguments.first_seed)->capture_default_str();
  app.add_option("--seeds", arguments.seeds, "runs, each with the seed after the one before")
      ->capture_default_str();
  app.add_option("--first-task-from", arguments.first_task_from,
                 "--work of an earlier run, whose models of the first task are taken");
  app.add_option("--output", arguments.output, "JSON Lines to append the measurements to");
  app.add_option("--work", arguments.work, "folder for the models between tasks, by seed")
      ->capture_default_str();
  app.add_option("--num-epochs", options.num_epochs)->capture_default_str();
  app.add_option("--max-steps", options.max_steps)->capture_default_str();
  app.add_option("--effective-batch-size", options.effective_batch_size)->capture_default_str();
  app.add_option("--learning-rate", options.learning_rate)->capture_default_str();
  app.add_option("--warmup-steps", options.warmup_steps)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    if (app.count("--ratios") + app.count("--projection") > 0 &&
        !arguments.method.starts_with("osft")) {
      raise(
          "--ratios and --projection are options of --method osft and osft-on-inputs, got --method "
          "{}",
          arguments.method);
    }
    const int first = arguments.first_seed;
    for (int seed = first; seed < first + arguments.seeds; ++seed) {
      options.seed = static_cast<std::uint64_t>(seed);
      const ForgettingReport report = learn(arguments, options);
      fmt::print("{}, seed {}\n{}", arguments.method, seed, report.text());
      std::fflush(stdout);
      if (!arguments.output.empty()) append_record(arguments, options.seed, report);
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
  return 0;
}
