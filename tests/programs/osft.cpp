// SPDX-License-Identifier: Apache-2.0
// Orthogonal subspace fine-tuning in factors on a checkpoint, for comparison with mini_trainer and
// PEFT:
//   osft --model DIR --batch batch.json --out out.safetensors --ratio R [--train PATTERNS]
//     [--gradients-only] [--factors in.safetensors] [--steps N] [--lr L] [--decay D]
//   osft --ranks N… --ratio R
// In float64. Writes what probe_model does (projected gradients of the factors among it), the
// factors at the start ("<matrix>.u_high" and so on), and after N steps of AdamW every weight
// ("after.<name>"). --factors takes a start from a file, whatever signs its singular vectors have.
// The second form prints how many directions of a matrix with a shorter side of N are protected.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "posttrain/base/error_text.hpp"
#include "posttrain/hub/decoder_weights.hpp"
#include "posttrain/models/families/parse.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/osft_factored.hpp"
#include "programs/probe.hpp"

namespace {

using namespace posttrain;

struct Arguments {
  std::string model, batch, out, train, factors;
  double ratio = 0.25, lr = 1e-2, decay = 0.0;
  bool gradients_only = false;
  std::vector<std::int64_t> ranks;
  int steps = 0;
};

using Named = std::vector<std::pair<std::string, Tensor>>;

Named factors_of(const OsftFactoredState& state) {
  Named all;
  for (const OsftFactors* f : state.targets()) {
    const std::pair<const char*, Tensor> parts[] = {
        {".u_high", f->u_high},  {".s_high", f->s_high},  {".v_high", f->v_high},
        {".u_low", f->u.master}, {".s_low", f->s.master}, {".v_low", f->v.master}};
    for (const auto& [suffix, tensor] : parts) all.emplace_back(f->name + suffix, tensor);
  }
  return all;
}

void run(const Arguments& arguments) {
  auto folder = std::make_shared<io::Checkpoint>(arguments.model);
  const models::Decoder model(models::parse_config(folder->config_text()), {.dtype = at::kDouble},
                              models::weight_loader(folder));
  OsftFactoredState state = OsftFactored{.unfreeze_rank_ratio = arguments.ratio,
                                         .train = arguments.train,
                                         .project_parameters = !arguments.gradients_only}
                                .attach(model);
  Named tensors;
  if (!arguments.factors.empty()) {
    const std::map<std::string, Tensor> given = io::load_tensors(arguments.factors);
    for (auto& [name, tensor] : factors_of(state)) tensor.copy_(given.at(name));
    state.publish();
  }
  for (const auto& [name, tensor] : factors_of(state)) tensors.emplace_back(name, tensor.clone());
  const TokenBatch batch = test::read_batch(arguments.batch, model.vocab_size());
  for (const auto& [name, tensor] : test::probe_state(model, state, batch)) {
    tensors.emplace_back(name, tensor.clone());
  }
  // A large eps: m/√v of a gradient that is almost zero would magnify its last bits.
  const AdamW adamw{.beta2 = 0.95, .eps = 1e-3, .weight_decay = arguments.decay};
  auto optimizer = adamw.attach(state.trainable());
  for (int step = 0; step < arguments.steps; ++step) {
    optimizer.step(state.trainable(), arguments.lr, 1.0);
    state.publish();
    for (ParameterGroup& group : state.trainable()) group.grad.zero_();
    test::probe_state(model, state, batch);
  }
  for (const NamedTensor& weight : state.weights()) {
    tensors.emplace_back("after." + weight.name, weight.value);
  }
  io::save_tensors(arguments.out, tensors);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Orthogonal subspace fine-tuning in factors, for comparison with its peers");
  Arguments arguments;
  app.add_option("--model", arguments.model);
  app.add_option("--batch", arguments.batch);
  app.add_option("--out", arguments.out);
  app.add_option("--ratio", arguments.ratio);
  app.add_option("--train", arguments.train);
  app.add_option("--factors", arguments.factors);
  app.add_option("--steps", arguments.steps);
  app.add_option("--lr", arguments.lr);
  app.add_option("--decay", arguments.decay);
  app.add_flag("--gradients-only", arguments.gradients_only);
  app.add_option("--ranks", arguments.ranks);
  CLI11_PARSE(app, argc, argv);
  try {
    for (const std::int64_t shorter : arguments.ranks) {
      std::printf("%ld\n", static_cast<long>(osft_reference_rank(shorter, arguments.ratio)));
    }
    if (arguments.ranks.empty()) run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", posttrain::error_text(error).c_str());
    return 1;
  }
  return 0;
}
