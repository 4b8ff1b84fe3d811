// SPDX-License-Identifier: Apache-2.0
// Direct preference optimisation of a Hugging Face folder on preference pairs:
//   08_dpo --model DIR --data pairs.jsonl --held-out more.jsonl --output DIR --method osft
// No second model is loaded: adapters and subspaces have the base as their reference. Before and
// after, one answer to every held-out prompt is sampled and the share in the preferred style is
// counted; after, how often the implicit reward prefers the chosen one of a held-out pair. The
// likelihood of chosen answers is kept up by a second term (RPO): DPO alone is content with making
// the rejected ones unlikelier still.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "posttrain/data/formats/records.hpp"
#include "posttrain/data/preferences.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/loss_sum.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/on_side.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/trainer.hpp"
#include "support/ask.hpp"

namespace {

using namespace posttrain;

struct Arguments {
  std::string model, data, held_out, output, method = "osft", dtype = "float32";
  std::vector<std::string> openings{"Gladly!", "Of course!", "With pleasure!", "Happy to help!"};
  double beta = 0.1, rpo_alpha = 1.0, unfreeze_rank_ratio = 0.5, temperature = 1.0;
  std::int64_t rank = 16, prompts = 200;
};

/// How many answers to held-out prompts, one sampled for each, begin in the preferred way.
template <class Gate>
void report_style(const char* when, const Arguments& arguments, const hub::PretrainedDecoder& model,
                  const Gate& gate) {
  data::RecordReader<data::PairRecord> reader(arguments.held_out);
  std::int64_t asked = 0, preferred = 0;
  std::string first;
  while (const auto read = reader.next()) {
    if (asked == arguments.prompts) break;
    if (!read->record) raise("{}: {}", read->where, read->error);
    if (read->record->prompt.is_text()) {
      fmt::print("{}: the prompts are texts, not conversations: no answers are sampled\n", when);
      return;
    }
    const std::string reply = examples::answer(
        model, gate, read->record->prompt.messages,
        {.temperature = arguments.temperature, .seed = static_cast<std::uint64_t>(asked)});
    const auto starts = [&](const std::string& opening) { return reply.starts_with(opening); };
    preferred += std::any_of(arguments.openings.begin(), arguments.openings.end(), starts);
    if (asked++ == 0) {
      first = read->record->prompt.messages.back().value("content", "") + " -> " + reply;
    }
  }
  fmt::print("{}: {} of {} sampled answers in the preferred style ({:.1f} %); {}\n", when,
             preferred, asked, 100.0 * static_cast<double>(preferred) / std::max(1.0, 1.0 * asked),
             first);
  std::fflush(stdout);
}

/// Prints the loss's metrics on held-out pairs.
struct HeldOut {
  void on(const event::Evaluated& event) const {
    fmt::print("held-out pairs after step {}: loss {:.4f}", event.step, event.loss);
    for (const auto& [name, value] : event.loss_metrics) fmt::print(", {} {:.4f}", name, value);
    fmt::print("\n");
    std::fflush(stdout);
  }
};

template <class Params>
void optimise(const Arguments& arguments, const Options& options, const Params& params) {
  // [snippet: dpo]
  const hub::PretrainedDecoder model(
      arguments.model, {.dtype = arguments.dtype == "bfloat16" ? at::kBFloat16 : at::kFloat});
  Trainer trainer(model, Dpo{.beta = arguments.beta} + arguments.rpo_alpha * OnChosen{NextToken{}},
                  params,
                  data::Preferences{.path = arguments.data, .validation_path = arguments.held_out},
                  AdamW{}, options);
  trainer.add(HeldOut{});
  // [/snippet]
  fmt::print("{}", trainer.report().summary());
  if (trainer.steps() == 0) report_style("before", arguments, model, trainer.state());
  const TrainResult result = trainer.train();
  if (result.interrupted) {
    fmt::print("interrupted after step {}; the same command goes on from there\n", result.steps);
    return;
  }
  report_style("after", arguments, model, trainer.state());
  trainer.save(arguments.output);
  fmt::print("{} steps, loss {:.4f}; saved to {}\n", result.steps, result.loss, arguments.output);
}

void run(const Arguments& arguments, const Options& options) {
  if (arguments.method == "lora") {
    optimise(arguments, options,
             Lora{.rank = arguments.rank, .alpha = 2.0 * static_cast<double>(arguments.rank)});
  } else if (arguments.method == "osft") {
    optimise(arguments, options, Osft{.unfreeze_rank_ratio = arguments.unfreeze_rank_ratio});
  } else {
    optimise(arguments, options, WithFrozenReference{Full{}});
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Direct preference optimisation of a Hugging Face folder on preference pairs");
  Arguments arguments;
  Options options;
  options.effective_batch_size = 32;
  options.learning_rate = 2e-4;
  app.add_option("--model", arguments.model, "checkpoint folder")->required();
  app.add_option("--data", arguments.data, "preference pairs")->required();
  app.add_option("--held-out", arguments.held_out, "pairs to measure with")->required();
  app.add_option("--output", arguments.output, "folder to write the tuned model to")->required();
  app.add_option("--method", arguments.method)
      ->check(CLI::IsMember({"osft", "lora", "full"}))
      ->capture_default_str();
  app.add_option("--dtype", arguments.dtype, "of computation")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  app.add_option("--beta", arguments.beta)->capture_default_str();
  app.add_option("--rpo-alpha", arguments.rpo_alpha, "weight of the chosen answers' likelihood")
      ->capture_default_str();
  app.add_option("--rank", arguments.rank, "of LoRA")->capture_default_str();
  app.add_option("--unfreeze-rank-ratio", arguments.unfreeze_rank_ratio, "of OSFT")
      ->capture_default_str();
  app.add_option("--openings", arguments.openings, "of answers in the preferred style")
      ->capture_default_str();
  app.add_option("--prompts", arguments.prompts, "how many held-out prompts to answer")
      ->capture_default_str();
  app.add_option("--temperature", arguments.temperature, "of sampling")->capture_default_str();
  app.add_option("--num-epochs", options.num_epochs)->capture_default_str();
  app.add_option("--max-steps", options.max_steps)->capture_default_str();
  app.add_option("--effective-batch-size", options.effective_batch_size, "pairs per step")
      ->capture_default_str();
  app.add_option("--max-tokens-per-batch", options.max_tokens_per_batch)->capture_default_str();
  app.add_option("--max-seq-len", options.max_seq_len)->capture_default_str();
  app.add_option("--learning-rate", options.learning_rate)->capture_default_str();
  app.add_option("--warmup-steps", options.warmup_steps)->capture_default_str();
  app.add_option("--validation-frequency", options.validation_frequency)->capture_default_str();
  app.add_option("--seed", options.seed)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    options.run_dir = arguments.output + "-run";
    run(arguments, options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
  return 0;
}
