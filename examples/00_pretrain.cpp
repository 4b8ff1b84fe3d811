// SPDX-License-Identifier: Apache-2.0
// Pre-trains a model from scratch on documents: next-token loss, all parameters, packed documents.
// The defaults reproduce the pocket model of examples/pocket (minutes on two cores):
//   00_pretrain --model examples/pocket/model --output pocket
#include <fstream>

#include "pocket/data_files.hpp"
#include "posttrain/data/documents.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/file.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"
#include "support/options.hpp"
#include "support/train_and_save.hpp"

namespace {

using namespace posttrain;

struct Arguments {
  std::string model = "examples/pocket/model";  // folder with config.json and a tokenizer
  std::string output = "pocket";
  std::string data;                 // JSON Lines of documents; empty: the pocket world's corpus
  std::int64_t documents = 125000;  // size of the pocket corpus
  std::int64_t block_size = 256;    // longest piece of a document, in tokens
  std::string device = "cpu";       // or cuda, cuda:1
};

/// The pocket world's corpus as JSON Lines.
std::string write_corpus(const std::string& path, std::int64_t documents) {
  const pocket::World world;
  io::fs::create_directories(io::fs::path(path).parent_path());
  std::ofstream file(path);
  for (std::int64_t i = 0; i < documents; ++i) {
    file << pocket::document_line(pocket::document(world, static_cast<std::uint64_t>(i)));
  }
  return path;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  AdamW optimizer{.beta2 = 0.95, .weight_decay = 0.1};
  Options options;
  options.validation_split = 0.01;
  options.effective_batch_size = 48;  // documents, about 2,000 tokens
  options.learning_rate = 2.5e-3;
  options.lr_scheduler = {.type = optim::LrScheduler::cosine_with_min_lr, .min_lr_rate = 0.03};
  options.warmup_steps = 60;
  options.logging_steps = 10;
  examples::CommandLine line("Pre-trains a model from scratch on documents");
  line.add(arguments);
  line.add(optimizer);
  line.add(options);
  return line.run(argc, argv, [&] {
    if (options.run_dir.empty()) options.run_dir = arguments.output + "-run";
    const std::string corpus =
        !arguments.data.empty()
            ? arguments.data
            : write_corpus(options.run_dir.str() + "/corpus.jsonl", arguments.documents);
    Trainer trainer(hub::PretrainedDecoder::from_scratch(
                        arguments.model, {.device = arguments.device, .seed = options.seed}),
                    NextToken{}, Full{},
                    Documents{.path = corpus, .block_size = arguments.block_size}, optimizer,
                    options);
    trainer.check_save(arguments.output);
    fmt::print("{}", trainer.report().summary());
    const TrainResult result = examples::train(trainer);
    // The committed model is stored in bfloat16.
    trainer.model().save(arguments.output, trainer.state().weights(), at::kBFloat16,
                         trainer.card());
    fmt::print("{} steps, loss {:.4f}, validation loss {:.4f}; saved to {}\n", result.steps,
               result.loss, result.val_loss, arguments.output);
  });
}
