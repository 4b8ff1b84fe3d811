// SPDX-License-Identifier: Apache-2.0
// Reinforcement learning with a verifiable reward (GRPO) on prompts with answers:
//   make_pocket_data --sums build/sums
//   01_sft --model examples/pocket/model --data build/sums/worked.jsonl --output build/starts
//     --max-steps 200 --learning-rate 2e-3 --effective-batch-size 16
//   11_grpo --model build/starts --data build/sums/sums.jsonl
//     --held-out build/sums/sums_heldout.jsonl --output build/solves
// The policy answers each prompt several times; a rule says which answers are right, and what is
// better than its group becomes likelier. Before and after, held-out prompts are answered greedily.
// Files of GSM8K (question, answer) are read as they are.
#include <cstdio>
#include <string>
#include <vector>

#include "posttrain/data/rollouts.hpp"
#include "posttrain/evaluate/solved.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/rewards/numeric_answer.hpp"
#include "posttrain/trainer.hpp"
#include "support/dtype.hpp"
#include "support/earlier.hpp"
#include "support/options.hpp"
#include "support/train_and_save.hpp"

namespace {

using namespace posttrain;

enum class Method { lora, full, osft };

struct Arguments {
  std::string model, data, held_out, output;
  std::vector<std::string> earlier;  // files of questions that shall still be answered
  Method method = Method::lora;
  examples::Dtype dtype = examples::Dtype::float32;
  std::string device = "cpu";        // or cuda, cuda:1
  std::int64_t rank = 16;            // of LoRA
  double unfreeze_rank_ratio = 0.5;  // of OSFT
  std::int64_t print_samples = 2;    // of each rollout
};

/// Prints some samples of each rollout, and of each step the mean reward and where the time went.
struct Watch {
  std::int64_t samples = 0;
  void on(const event::RolloutEnd& event) const {
    std::int64_t left = samples;
    for (const RolloutGroup& group : event.rollout->groups) {
      if (left-- <= 0) return;
      const RolloutSample& sample = group.samples.front();
      fmt::print("  [{}] {} -> {}\n", group.sample, sample.text,
                 sample.reward ? fmt::format("{:g}", *sample.reward) : "not judged");
    }
  }
  void on(const event::AfterStep& event) const {
    double reward = 0.0, generating = 0.0, speed = 0.0;
    for (const auto& [name, value] : event.metrics.loss_metrics) {
      if (name == "reward") reward = value;
      if (name == "rollout/generate_share") generating = value;
      if (name == "rollout/tokens_per_second") speed = value;
    }
    fmt::print("step {}: reward {:.3f}, {:.0f} % of the time generating, {:.0f} tokens/s\n",
               event.metrics.step, reward, 100.0 * generating, speed);
    std::fflush(stdout);
  }
};

template <class Params>
void train(const Arguments& arguments, const hub::PretrainedDecoder& model, const Params& params,
           const Rollouts<NumericAnswer>& data, const AdamW& optimizer, const Options& options) {
  // [snippet: grpo]
  Trainer trainer(model, Grpo{}, params, data, optimizer, options);
  trainer.add(Watch{arguments.print_samples});
  // [/snippet]
  const Sampling greedy{.max_new_tokens = data.sampling.max_new_tokens, .temperature = 0.0};
  const examples::Earlier earlier(arguments.earlier);
  examples::train_and_save(trainer, arguments.output, [&](const char* when) {
    earlier.report(when, model, trainer.state());
    if (arguments.held_out.empty()) return;
    const SolvedShare solved =
        solved_share(model, trainer.state(), arguments.held_out, data.verifier, greedy);
    fmt::print("{}: {} of {} held-out prompts solved ({:.1f} %)\n", when, solved.solved,
               solved.asked, 100.0 * solved.share());
  });
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  Rollouts<NumericAnswer> data;
  data.sampling.max_new_tokens = 64;
  data.verifier.last_number = true;  // of an answer without "####" or a box
  AdamW optimizer;
  Options options;
  options.learning_rate = 1e-4;
  options.lr_scheduler = {.type = optim::LrScheduler::constant};
  examples::CommandLine line("Reinforcement learning (GRPO) on prompts with numbers as answers");
  line.add(arguments, {"model", "data", "output"});
  line.add(data, {}, {"path"});
  line.add(optimizer);
  line.add(options);
  return line.run(argc, argv, [&] {
    data.path = arguments.data;
    if (options.run_dir.empty()) options.run_dir = arguments.output + "-run";
    const hub::PretrainedDecoder model(
        arguments.model,
        {.dtype = examples::scalar_type(arguments.dtype), .device = arguments.device});
    switch (arguments.method) {
      case Method::lora:
        return train(
            arguments, model,
            Lora{.rank = arguments.rank, .alpha = 2.0 * static_cast<double>(arguments.rank)}, data,
            optimizer, options);
      case Method::full:
        return train(arguments, model, Full{}, data, optimizer, options);
      case Method::osft:
        return train(arguments, model, Osft{.unfreeze_rank_ratio = arguments.unfreeze_rank_ratio},
                     data, optimizer, options);
    }
  });
}
