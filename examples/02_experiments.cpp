// SPDX-License-Identifier: Apache-2.0
// Experiments as compile-time constants, compared in one program:
//   02_experiments --model examples/pocket/model --data examples/pocket/data/conversations.jsonl
// A bad value in one of them is a compile error with its message. Every field is printed, and what
// the command line gives is set on a copy.
#include "posttrain/data/messages.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"
#include "support/options.hpp"
#include "support/train_and_save.hpp"

namespace {

using namespace posttrain;

// [snippet: experiments]
constexpr auto kQuick = checked(Experiment{
    NextToken{}, Full{}, Messages{.path = "examples/pocket/data/conversations.jsonl"}, AdamW{},
    Options{.max_steps = 60, .validation_split = 0.1, .learning_rate = 7e-4, .warmup_steps = 10}});
constexpr auto kCareful = varied(kQuick, [](auto& run) {
  run.options.learning_rate = 1e-4;
  run.optimizer.weight_decay = 0.01;
});
// [/snippet]

struct Arguments {
  std::string model = "examples/pocket/model";
  std::string data = kQuick.data.path.str();
  std::int64_t max_steps = kQuick.options.max_steps;  // of each experiment
  std::string device = "cpu";                         // or cuda, cuda:1
};

// [snippet: run]
template <class Experiment>
double validation_loss(const char* name, Experiment experiment, const Arguments& arguments) {
  experiment.data.path = arguments.data;
  experiment.options.max_steps = arguments.max_steps;
  experiment.options.progress = false;
  fmt::print("{}\n", name);
  for_each_field(experiment, [](std::string_view part, const auto& value) {
    fmt::print("  .{} = {}\n", part, describe(value));
  });
  Trainer trainer(hub::PretrainedDecoder(arguments.model, {.device = arguments.device}),
                  experiment);
  const TrainResult result = examples::train(trainer);
  fmt::print("  {} steps, training loss {:.4f}, validation loss {:.4f}\n", result.steps,
             result.loss, result.val_loss);
  std::fflush(stdout);
  return result.val_loss;
}
// [/snippet]

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  examples::CommandLine line("Compares two experiments that are compile-time constants");
  line.add(arguments);
  return line.run(argc, argv, [&] {
    const double quick = validation_loss("quick", kQuick, arguments);
    const double careful = validation_loss("careful", kCareful, arguments);
    fmt::print("lower validation loss: {}\n", quick < careful ? "quick" : "careful");
  });
}
