// SPDX-License-Identifier: Apache-2.0
// Pre-trains a model from scratch on documents: next-token loss, all parameters, packed documents.
// The defaults reproduce the pocket model of examples/pocket (minutes on two cores):
//   00_pretrain --model examples/pocket/model --output pocket
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>

#include "pocket/data_files.hpp"
#include "posttrain/data/documents.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/file.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"

namespace {

using namespace posttrain;

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
  CLI::App app("Pre-trains a model from scratch on documents");
  std::string model_folder = "examples/pocket/model", output = "pocket", corpus;
  std::int64_t documents = 125000, block_size = 256;
  Options options;
  options.validation_split = 0.01;
  options.effective_batch_size = 48;  // documents, about 2,000 tokens
  options.max_tokens_per_batch = 4096;
  options.learning_rate = 2.5e-3;
  options.lr_scheduler = {.type = optim::LrScheduler::cosine_with_min_lr, .min_lr_rate = 0.03};
  options.warmup_steps = 60;
  options.logging_steps = 10;
  std::string run_dir;
  app.add_option("--model", model_folder, "folder with config.json and a tokenizer")
      ->capture_default_str();
  app.add_option("--data", corpus, "JSON Lines of documents; default: the pocket world's corpus");
  app.add_option("--documents", documents, "size of the pocket corpus")->capture_default_str();
  app.add_option("--block-size", block_size, "longest piece of a document, in tokens")
      ->capture_default_str();
  app.add_option("--output", output, "folder to write the model to")->capture_default_str();
  app.add_option("--run-dir", run_dir, "folder for metrics and checkpoints; default: OUTPUT-run");
  app.add_option("--learning-rate", options.learning_rate)->capture_default_str();
  app.add_option("--effective-batch-size", options.effective_batch_size, "documents per step")
      ->capture_default_str();
  app.add_option("--max-tokens-per-batch", options.max_tokens_per_batch)->capture_default_str();
  app.add_option("--warmup-steps", options.warmup_steps)->capture_default_str();
  app.add_option("--max-steps", options.max_steps)->capture_default_str();
  app.add_option("--num-epochs", options.num_epochs)->capture_default_str();
  app.add_option("--seed", options.seed)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    if (run_dir.empty()) run_dir = output + "-run";
    options.run_dir = run_dir;
    if (corpus.empty()) corpus = write_corpus(run_dir + "/corpus.jsonl", documents);
    Trainer trainer(hub::PretrainedDecoder::from_scratch(model_folder, {.seed = options.seed}),
                    NextToken{}, Full{}, data::Documents{.path = corpus, .block_size = block_size},
                    AdamW{.beta2 = 0.95, .weight_decay = 0.1}, options);
    fmt::print("{}", trainer.report().summary());
    const TrainResult result = trainer.train();
    // The committed model is stored in bfloat16.
    trainer.model().save(output, trainer.state().weights(), at::kBFloat16);
    fmt::print("{} steps, loss {:.4f}, validation loss {:.4f}; saved to {}\n", result.steps,
               result.loss, result.val_loss, output);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
  return 0;
}
