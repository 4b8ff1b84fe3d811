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
#include <nlohmann/json.hpp>
#include <numeric>

#include "posttrain/io/json.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/models/config_parse.hpp"
#include "posttrain/models/weights.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/tensor/ops.hpp"

namespace {

using namespace posttrain;

void probe(const std::string& model_folder, const std::string& batch_file, const std::string& out,
           const std::string& dtype, bool gradient_checkpointing) {
  auto folder = std::make_shared<io::PretrainedFolder>(model_folder);
  const models::ModelOptions options{.dtype = dtype == "float64"    ? at::kDouble
                                              : dtype == "bfloat16" ? at::kBFloat16
                                                                    : at::kFloat};
  const models::Decoder model(models::parse_config(folder->config_text()), options,
                              models::weight_loader(folder));
  auto state = Full{}.attach(model);
  models::check_all_loaded(*folder, model.config());

  const io::Json json = io::parse_json(io::read_text_file(batch_file), batch_file);
  BatchBuilder builder;
  const auto& sequences = json.at("sequences");
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const auto ids = sequences[s].get<TokenIds>();
    for (const TokenId id : ids) {
      if (id < 0 || id >= model.vocab_size()) {
        raise("{}: sequence {}: expected ids below {}, got {}", batch_file, s, model.vocab_size(),
              id);
      }
    }
    builder.add(ids, -1, static_cast<std::int64_t>(s));
    builder.score(json.at("weights").at(s).get<std::vector<float>>(), /*keep_unweighted=*/true);
    builder.end_sequence(static_cast<std::int64_t>(s));
  }
  const TokenBatch batch = std::move(builder).build();

  const NextToken loss;
  const double count = loss.count(batch);
  if (!(count > 0.0)) raise("{}: expected a positive sum of weights, got {}", batch_file, count);
  const auto logits = [&](const Tensor& rows) { return model.logits(state, rows); };
  const std::int64_t chunk = head_chunk_rows(model.vocab_size());
  const ModelCall call{.gradient_checkpointing = gradient_checkpointing};
  const double sum = backward_through_head(logits, model.hidden(state, batch, call), batch, loss,
                                           loss.needs(), 1.0 / count, chunk);
  at::NoGradGuard no_grad;
  const Scores scores =
      score_predictions(logits, model.hidden(state, batch), batch, loss.needs(), chunk);

  std::vector<std::pair<std::string, Tensor>> tensors;
  tensors.emplace_back("loss",
                       at::full({1}, sum / count, at::kDouble).to(scores.logp.scalar_type()));
  tensors.emplace_back("logps", scores.logp);
  for (const NamedTensor& gradient : state.gradients()) {
    tensors.emplace_back(gradient.name, gradient.value);
  }
  io::save_tensors(out, tensors);
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
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
