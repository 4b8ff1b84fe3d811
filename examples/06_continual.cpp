// SPDX-License-Identifier: Apache-2.0
// Tasks learned one after another, and what each costs the earlier ones:
//   06_continual --model examples/pocket/model --tasks examples/pocket/data/tasks --method osft
// Every task starts from the weights that the one before left; after each, all tasks are measured
// on held-out questions. --method full is the comparison: it forgets. --method osft-on-inputs
// protects what the examples of earlier tasks read, so it keeps those examples; osft needs none.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "posttrain/data/messages.hpp"
#include "posttrain/evaluate/forgetting.hpp"
#include "posttrain/evaluate/questions.hpp"
#include "posttrain/generate/chat.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/osft_on_inputs.hpp"
#include "posttrain/trainer.hpp"
#include "support/options.hpp"
#include "support/train_and_save.hpp"

namespace {

using namespace posttrain;

enum class Method { full, lora, osft, osft_on_inputs };

struct Arguments {
  std::string model;
  std::string tasks;                              // folder of NAME.jsonl and NAME_heldout.jsonl
  std::vector<std::string> names{"a", "b", "c"};  // of the tasks, in order
  Method method = Method::osft;
  std::vector<double> ratios{0.25};  // unfreeze_rank_ratio of each task; the last one goes on
  OsftProjection projection = OsftProjection::both_sides;
  std::string device = "cpu";  // or cuda, cuda:1
  int first_seed = 1;
  int seeds = 1;                        // runs, each with the seed after the one before
  std::string first_task_from;          // --work of an earlier run: its first task is not repeated
  std::string output;                   // JSON Lines to append the measurements to
  std::string work = "continual-work";  // folder for the models between tasks, by seed

  std::string folder(const std::string& work_folder, std::uint64_t seed, std::size_t task) const {
    return fmt::format("{}/{}/{}", work_folder, seed, names[task]);
  }
};

std::string name_of(Method method) {
  return method == Method::osft_on_inputs ? "osft-on-inputs" : std::string(enum_name(method));
}

/// What the model reads in the examples of these tasks, and only there.
InputStatistics inputs_of(const Arguments& arguments, const hub::PretrainedDecoder& model,
                          std::size_t tasks) {
  data::LoadContext context;
  context.text = &tokenizer_of(model);
  std::vector<TokenBatch> batches;
  for (std::size_t i = 0; i < tasks; ++i) {
    const Messages examples{.path = arguments.tasks + "/" + arguments.names[i] + ".jsonl"};
    const data::LoadedData loaded = examples.load(context);
    for (TokenBatch& batch :
         data::make_batches(SequenceKind{}, loaded.train, /*max_tokens=*/2048)) {
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
  const hub::PretrainedDecoder base(arguments.model, {.device = arguments.device});
  for (const std::string& name : arguments.names) {
    const std::string path = arguments.tasks + "/" + name + "_heldout.jsonl";
    held_out.push_back(question_batches(tokenizer_of(base), read_questions(path)));
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
      measure("after " + arguments.names[i],
              Frozen{}.attach(hub::PretrainedDecoder(folder, {.device = arguments.device})));
      continue;
    }
    const std::string path = arguments.tasks + "/" + arguments.names[i] + ".jsonl";
    // [snippet: task]
    const hub::PretrainedDecoder model(folder, {.device = arguments.device});
    Trainer trainer(model, NextToken{}, params_of(i, model), Messages{.path = path}, AdamW{},
                    options);
    examples::train(trainer);
    measure("after " + arguments.names[i], trainer.state());
    folder = arguments.folder(arguments.work, options.seed, i);
    trainer.save(folder);
    // [/snippet]
  }
  return report;
}

ForgettingReport learn(const Arguments& arguments, const Options& options) {
  if (arguments.method == Method::full) {
    return learn(arguments, options, [](std::size_t, const auto&) { return Full{}; });
  }
  if (arguments.method == Method::lora) {
    return learn(arguments, options,
                 [](std::size_t, const auto&) { return Lora{.rank = 16, .alpha = 32}; });
  }
  const auto osft = [&](std::size_t task) {
    return Osft{
        .unfreeze_rank_ratio = arguments.ratios[std::min(task, arguments.ratios.size() - 1)],
        .projection = arguments.projection};
  };
  if (arguments.method == Method::osft) {
    return learn(arguments, options, [&](std::size_t task, const auto&) { return osft(task); });
  }
  return learn(arguments, options, [&](std::size_t task, const auto& model) {
    // The first task has none before it: what it is not to disturb are its own questions.
    return OsftOnInputs{osft(task), inputs_of(arguments, model, std::max<std::size_t>(task, 1))};
  });
}

void append_record(const Arguments& arguments, std::uint64_t seed, const ForgettingReport& report) {
  nlohmann::ordered_json record{{"method", name_of(arguments.method)},
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
  Arguments arguments;
  Options options{.num_epochs = 4, .learning_rate = 1e-3, .warmup_steps = 10};
  examples::CommandLine line("Learns tasks one after another and reports what is forgotten");
  line.add(arguments, {"model", "tasks"});
  line.add(options, {}, /*without=*/{"seed", "run_dir"});
  return line.run(argc, argv, [&] {
    const bool osft =
        arguments.method == Method::osft || arguments.method == Method::osft_on_inputs;
    if (!osft && (line.given("--ratios") || line.given("--projection"))) {
      raise(
          "--ratios and --projection are options of --method osft and osft-on-inputs, got --method "
          "{}",
          name_of(arguments.method));
    }
    const int first = arguments.first_seed;
    for (int seed = first; seed < first + arguments.seeds; ++seed) {
      options.seed = static_cast<std::uint64_t>(seed);
      const ForgettingReport report = learn(arguments, options);
      fmt::print("{}, seed {}\n{}", name_of(arguments.method), seed, report.text());
      std::fflush(stdout);
      if (!arguments.output.empty()) append_record(arguments, options.seed, report);
    }
  });
}
