// SPDX-License-Identifier: Apache-2.0
// Loss, log-probabilities and every gradient of a checkpoint on given sequences, for comparison
// with any other implementation:
//   probe_model --model DIR --batch batch.json --out out.safetensors [--dtype float64]
//   [--gradient-checkpointing]
// batch.json: {"sequences": [[ids…], …], "weights": [[…], …]}, a weight for predicting each token,
// the first ignored. Written: `loss` (Σ weight · nll / Σ weight), `logps` (of tokens 1 … n − 1 of
// each sequence, one after another) and the loss's gradient under each parameter's checkpoint name.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "posttrain/base/error_text.hpp"
#include "posttrain/hub/decoder_weights.hpp"
#include "posttrain/models/families/parse.hpp"
#include "posttrain/params/full.hpp"
#include "programs/probe.hpp"

namespace {

using namespace posttrain;

void probe(const std::string& model_folder, const std::string& batch_file, const std::string& out,
           const std::string& dtype, bool gradient_checkpointing) {
  auto folder = std::make_shared<io::Checkpoint>(model_folder);
  const models::ModelOptions options{.dtype = dtype == "float64"    ? at::kDouble
                                              : dtype == "bfloat16" ? at::kBFloat16
                                                                    : at::kFloat};
  const models::DecoderConfig config = models::parse_config(folder->config_text());
  models::check_tied_head(*folder, config);
  const models::Decoder model(config, options, models::weight_loader(folder, config.tied));
  auto state = Full{}.attach(model);
  models::check_all_loaded(*folder, model.config());

  const TokenBatch batch = test::read_batch(batch_file, model.vocab_size());
  io::save_tensors(out, test::probe_state(model, state, batch,
                                          {.gradient_checkpointing = gradient_checkpointing}));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Loss, log-probabilities and gradients of a checkpoint on given sequences");
  std::string model, batch, out, dtype = "float32";
  bool gradient_checkpointing = false;
  app.add_option("--model", model, "checkpoint folder")->required();
  app.add_option("--batch", batch, "batch.json")->required();
  app.add_option("--out", out, "safetensors file to write")->required();
  app.add_option("--dtype", dtype, "of computation")
      ->check(CLI::IsMember({"float32", "float64", "bfloat16"}));
  app.add_flag("--gradient-checkpointing", gradient_checkpointing);
  CLI11_PARSE(app, argc, argv);
  try {
    probe(model, batch, out, dtype, gradient_checkpointing);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", posttrain::error_text(error).c_str());
    return 1;
  }
  return 0;
}
