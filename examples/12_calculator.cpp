// SPDX-License-Identifier: Apache-2.0
// Reinforcement learning (GRPO) with a tool: the policy may ask a calculator before it answers.
//   01_sft --model examples/pocket/model --data examples/pocket/data/calls.jsonl
//     --output build/caller --max-steps 150 --learning-rate 1e-3 --effective-batch-size 16
//   12_calculator --model build/caller --data examples/pocket/data/products.jsonl
//     --held-out examples/pocket/data/products_heldout.jsonl --output build/calculates
// The conversations show both, answers out of hand and calls; a reward for right answers alone
// teaches which of them is worth it. What the calculator says is read and never trained.
#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/data/rollouts.hpp"
#include "posttrain/evaluate/solved.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/rewards/math/evaluate.hpp"
#include "posttrain/rewards/math/parser.hpp"
#include "posttrain/rewards/numeric_answer.hpp"
#include "posttrain/trainer.hpp"
#include "support/dtype.hpp"
#include "support/options.hpp"
#include "support/train_and_save.hpp"

namespace {

using namespace posttrain;

/// The exact value of a term of numbers, + − * / ^ and brackets: "714", "-3/4". An Error says why
/// there is none.
std::string value_of(const std::string& term) {
  const auto at = term.find_first_not_of("0123456789.+-*/^() ");
  if (at != std::string::npos) {
    raise("expected numbers, + - * / ^ and brackets, got '{}'", term.substr(at, 1));
  }
  const rewards::ExactValue value = rewards::exact_value(rewards::parse_answer(term));
  switch (value.exactness) {
    case rewards::Exactness::rational:
      return value.value.text();
    case rewards::Exactness::undefined:
      fail("division by zero");
    case rewards::Exactness::too_large:
      fail("the numbers are too large");
    case rewards::Exactness::irrational:
      break;
  }
  fail("the value is no fraction");
}

/// What stands between the brackets of the first "calc(…)"; to the end where they are not closed.
/// Nothing: the message has no call.
std::optional<std::string> called(std::string_view message) {
  constexpr std::string_view kCall = "calc(";
  const std::size_t found = message.find(kCall);
  if (found == std::string_view::npos) return std::nullopt;
  const std::string_view rest = message.substr(found + kCall.size());
  int open = 1;
  const auto end = std::find_if(rest.begin(), rest.end(), [&](char c) {
    open += c == '(' ? 1 : c == ')' ? -1 : 0;
    return open == 0;
  });
  return std::string(rest.begin(), end);
}

// [snippet: calculator]
/// Answers each call of it, calc(3*4), with the value; what is no call is the answer.
struct Calculator {
  std::optional<Reply> operator()(const text::Conversation& so_far) const {
    const std::string message = so_far.messages.back().at("content");
    const std::optional<std::string> term = called(message);
    if (!term) return std::nullopt;
    try {
      return Reply::of("tool", value_of(*term));
    } catch (const Error& error) {  // the policy's mistake: it may read of it and try again
      Reply reply = Reply::of("tool", std::string("error: ") + error.what());
      reply.failed = true;
      return reply;
    }
  }
};
// [/snippet]

enum class Method { lora, full };

struct Arguments {
  std::string model, data, held_out, output;
  Method method = Method::full;
  examples::Dtype dtype = examples::Dtype::float32;
  std::string device = "cpu";      // or cuda, cuda:1
  std::int64_t rank = 16;          // of LoRA
  std::int64_t print_samples = 2;  // of each rollout
};

// [snippet: policy]
using Data = Rollouts<NumericAnswer, Calculator>;
// [/snippet]

/// Prints some conversations of each rollout, and the step's mean reward and calls.
struct Watch {
  const text::Tokenizer* tokenizer = nullptr;
  std::int64_t samples = 0;
  void on(const event::RolloutEnd& event) const {
    std::int64_t left = samples;
    for (const RolloutGroup& group : event.rollout->groups) {
      if (left-- <= 0) return;
      const RolloutSample& sample = group.samples.front();
      fmt::print("  [{}] {} -> {}\n", group.sample, Json(tokenizer->decode(sample.ids)).dump(),
                 sample.reward ? fmt::format("{:g}", *sample.reward) : "not judged");
    }
  }
  void on(const event::AfterStep& event) const {
    double reward = 0.0, calls = 0.0;
    for (const auto& [name, value] : event.metrics.loss_metrics) {
      if (name == "reward") reward = value;
      if (name == "tools/call_frequency") calls = value;
    }
    fmt::print("step {}: reward {:.3f}, {:.3f} calls\n", event.metrics.step, reward, calls);
    std::fflush(stdout);
  }
};

template <class Params>
void train(const Arguments& arguments, const hub::PretrainedDecoder& model, const Params& params,
           const Data& data, const AdamW& optimizer, const Options& options) {
  // [snippet: trainer]
  Trainer trainer(model, Grpo{}, params, data, optimizer, options);
  // [/snippet]
  trainer.add(Watch{&tokenizer_of(model).tokenizer(), arguments.print_samples});
  const Sampling greedy{.max_new_tokens = data.sampling.max_new_tokens, .temperature = 0.0};
  examples::train_and_save(trainer, arguments.output, [&](const char* when) {
    if (arguments.held_out.empty()) return;
    const SolvedShare solved = solved_share(model, trainer.state(), arguments.held_out,
                                            data.verifier, greedy, 1.0, data.environment);
    fmt::print("{}: {} of {} held-out prompts solved ({:.1f} %)\n", when, solved.solved,
               solved.asked, 100.0 * solved.share());
  });
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  // [snippet: data]
  Data data{.max_turns = 4};
  data.sampling.max_new_tokens = 64;  // in all turns together
  data.verifier.last_number = true;   // of the last turn
  // [/snippet]
  AdamW optimizer;
  Options options;
  options.learning_rate = 1e-4;
  options.lr_scheduler = {.type = optim::LrScheduler::constant};
  examples::CommandLine line("Reinforcement learning (GRPO) with a calculator");
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
    }
  });
}
