// SPDX-License-Identifier: Apache-2.0
// Supervised fine-tuning of a Hugging Face folder on conversations:
//   01_sft --model DIR --data chats.jsonl --output DIR
// With --questions, exact-match accuracy is measured before and after; with --ask, one question is
// answered before and after. A run that is resumed says so instead of looking before.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "posttrain/data/messages.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"
#include "support/ask.hpp"

namespace {

using namespace posttrain;

struct Arguments {
  std::string model, data, output, run_dir, questions, ask, dtype = "float32";
  double weight_decay = 0.0;
  bool unmask = false;
};

void fine_tune(const Arguments& arguments, const Options& options) {
  // [snippet: sft]
  hub::PretrainedDecoder model(
      arguments.model, {.dtype = arguments.dtype == "bfloat16" ? at::kBFloat16 : at::kFloat});
  Trainer trainer(model, NextToken{}, Full{},
                  data::Messages{.path = arguments.data, .unmask = arguments.unmask},
                  AdamW{.weight_decay = arguments.weight_decay}, options);
  // [/snippet]
  fmt::print("{}", trainer.report().summary());
  const auto look = [&](const char* when) {
    if (!arguments.ask.empty()) {
      fmt::print("{}: {} -> {}\n", when, arguments.ask,
                 examples::answer(model, trainer.state(), arguments.ask));
    }
    if (!arguments.questions.empty()) {
      const examples::Accuracy accuracy =
          examples::exact_match(model, trainer.state(), arguments.questions);
      fmt::print("{}: {} of {} held-out questions answered exactly ({:.1f} %)\n", when,
                 accuracy.right, accuracy.asked, 100.0 * accuracy.share());
    }
    std::fflush(stdout);
  };
  if (trainer.steps() == 0) {
    look("before");
  } else {
    fmt::print("goes on from step {} of {}\n", trainer.steps(), trainer.total_steps());
  }
  const TrainResult result = trainer.train();
  if (result.interrupted) {
    fmt::print("interrupted after step {}; the same command goes on from there\n", result.steps);
    return;
  }
  look("after");
  trainer.save(arguments.output);
  fmt::print("{} steps, loss {:.4f}; saved to {}\n", result.steps, result.loss, arguments.output);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Supervised fine-tuning of a Hugging Face folder on conversations");
  Arguments arguments;
  Options options;
  options.effective_batch_size = 32;
  options.learning_rate = 1e-5;
  app.add_option("--model", arguments.model, "checkpoint folder")->required();
  app.add_option("--data", arguments.data, "JSON Lines of {\"messages\": [...]}")->required();
  app.add_option("--output", arguments.output, "folder to write the tuned model to")->required();
  app.add_option("--run-dir", arguments.run_dir,
                 "folder for metrics and checkpoints; default: OUTPUT-run");
  app.add_option("--questions", arguments.questions, "JSON Lines of {\"messages\", \"answer\"}");
  app.add_option("--ask", arguments.ask, "a question to ask before and after");
  app.add_option("--dtype", arguments.dtype, "of computation")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  app.add_flag("--unmask", arguments.unmask, "train on everything but system messages");
  app.add_option("--num-epochs", options.num_epochs)->capture_default_str();
  app.add_option("--max-steps", options.max_steps)->capture_default_str();
  app.add_option("--effective-batch-size", options.effective_batch_size, "conversations per step")
      ->capture_default_str();
  app.add_option("--max-tokens-per-batch", options.max_tokens_per_batch)->capture_default_str();
  app.add_option("--max-seq-len", options.max_seq_len)->capture_default_str();
  app.add_option("--learning-rate", options.learning_rate)->capture_default_str();
  app.add_option("--weight-decay", arguments.weight_decay)->capture_default_str();
  app.add_option("--warmup-steps", options.warmup_steps)->capture_default_str();
  app.add_option("--checkpoint-steps", options.checkpoint_steps)->capture_default_str();
  app.add_option("--seed", options.seed)->capture_default_str();
  app.add_flag("--gradient-checkpointing", options.gradient_checkpointing);
  CLI11_PARSE(app, argc, argv);
  try {
    options.run_dir = arguments.run_dir.empty() ? arguments.output + "-run" : arguments.run_dir;
    fine_tune(arguments, options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
  return 0;
}
