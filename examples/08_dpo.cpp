// SPDX-License-Identifier: Apache-2.0
// Direct preference optimisation of a Hugging Face folder on preference pairs:
//   08_dpo --model DIR --data pairs.jsonl --held-out more.jsonl --output DIR --method osft
// No second model is loaded: adapters and subspaces have the base as their reference. Before and
// after, one answer to every held-out prompt is sampled and the share in the preferred style is
// counted, and, of a file of problems with numbers as answers, how many are solved greedily; after,
// how often the implicit reward prefers the chosen one of a held-out pair. The
// likelihood of chosen answers is kept up by a second term (RPO): DPO alone is content with making
// the rejected ones unlikelier still.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "posttrain/data/formats/records.hpp"
#include "posttrain/data/preferences.hpp"
#include "posttrain/evaluate/solved.hpp"
#include "posttrain/generate/chat.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/loss_sum.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/on_side.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/rewards/numeric_answer.hpp"
#include "posttrain/trainer.hpp"
#include "support/dtype.hpp"
#include "support/earlier.hpp"
#include "support/options.hpp"
#include "support/train_and_save.hpp"

namespace {

using namespace posttrain;

enum class Method { osft, lora, full };

struct Arguments {
  std::string model, data, held_out, output;
  std::string problems;              // with numbers as answers; none: nothing is solved
  std::vector<std::string> earlier;  // files of questions that shall still be answered
  Method method = Method::osft;
  examples::Dtype dtype = examples::Dtype::float32;
  std::string device = "cpu";        // or cuda, cuda:1
  double rpo_alpha = 1.0;            // weight of the chosen answers' likelihood
  std::int64_t rank = 16;            // of LoRA
  double unfreeze_rank_ratio = 0.5;  // of OSFT
  std::vector<std::string> openings{"Gladly!", "Of course!", "With pleasure!", "Happy to help!"};
  std::int64_t prompts = 200;  // how many held-out prompts to answer; 0: none
  double temperature = 1.0;    // of these answers
};

/// How many answers to held-out prompts, one sampled for each, begin in the preferred way.
template <class Gate>
void report_style(const char* when, const Arguments& arguments, const hub::PretrainedDecoder& model,
                  const Gate& gate) {
  if (arguments.prompts == 0) return;
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
    const std::string reply =
        answer(model, gate, read->record->prompt.messages,
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
void optimise(const Arguments& arguments, const Dpo& loss, const Options& options,
              const Params& params) {
  // [snippet: dpo]
  const hub::PretrainedDecoder model(
      arguments.model,
      {.dtype = examples::scalar_type(arguments.dtype), .device = arguments.device});
  const Preferences data{.path = arguments.data, .validation_path = arguments.held_out};
  Trainer trainer(model, loss + arguments.rpo_alpha * OnChosen{NextToken{}}, params, data, AdamW{},
                  options);
  trainer.add(HeldOut{});
  // [/snippet]
  const examples::Earlier earlier(arguments.earlier);
  examples::train_and_save(trainer, arguments.output, [&](const char* when) {
    earlier.report(when, model, trainer.state());
    report_style(when, arguments, model, trainer.state());
    if (arguments.problems.empty()) return;
    const SolvedShare solved = solved_share(model, trainer.state(), arguments.problems,
                                            NumericAnswer{.last_number = true});
    fmt::print("{}: {} of {} problems solved ({:.1f} %)\n", when, solved.solved, solved.asked,
               100.0 * solved.share());
  });
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  Dpo loss;
  Options options{.learning_rate = 2e-4};
  examples::CommandLine line(
      "Direct preference optimisation of a Hugging Face folder on preference pairs");
  line.add(arguments, {"model", "data", "held_out", "output"});
  line.add(loss);
  line.add(options);
  return line.run(argc, argv, [&] {
    if (options.run_dir.empty()) options.run_dir = arguments.output + "-run";
    const std::int64_t rank = arguments.rank;
    if (arguments.method == Method::lora) {
      optimise(arguments, loss, options,
               Lora{.rank = rank, .alpha = 2.0 * static_cast<double>(rank)});
    } else if (arguments.method == Method::osft) {
      optimise(arguments, loss, options,
               Osft{.unfreeze_rank_ratio = arguments.unfreeze_rank_ratio});
    } else {
      optimise(arguments, loss, options, WithFrozenReference{Full{}});
    }
  });
}
