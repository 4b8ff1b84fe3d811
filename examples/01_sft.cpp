// SPDX-License-Identifier: Apache-2.0
// Supervised fine-tuning of a Hugging Face folder on conversations:
//   01_sft --model DIR --data chats.jsonl --output DIR
// With --questions, exact-match accuracy is measured before and after; with --ask, one question is
// answered before and after.
#include "posttrain/data/messages.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"
#include "support/answers.hpp"
#include "support/dtype.hpp"
#include "support/options.hpp"
#include "support/train_and_save.hpp"

using namespace posttrain;

struct Arguments {
  std::string model, data, output, questions, ask;
  examples::Dtype dtype = examples::Dtype::float32;
  std::string device = "cpu";  // or cuda, cuda:1
  bool unmask = false;         // train on everything but system messages
};

int main(int argc, char** argv) {
  Arguments arguments;
  AdamW optimizer;
  Options options;
  examples::CommandLine line("Supervised fine-tuning of a Hugging Face folder on conversations");
  line.add(arguments, {"model", "data", "output"});
  line.add(optimizer);
  line.add(options);
  return line.run(argc, argv, [&] {
    if (options.run_dir.empty()) options.run_dir = arguments.output + "-run";
    // [snippet: sft]
    const hub::PretrainedDecoder model(
        arguments.model,
        {.dtype = examples::scalar_type(arguments.dtype), .device = arguments.device});
    const Messages data{.path = arguments.data, .unmask = arguments.unmask};
    Trainer trainer(model, NextToken{}, Full{}, data, optimizer, options);
    // [/snippet]
    examples::train_and_save(trainer, arguments.output, [&](const char* when) {
      examples::print_answers(when, model, trainer.state(), arguments.ask, arguments.questions);
    });
  });
}
