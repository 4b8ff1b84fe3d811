// SPDX-License-Identifier: Apache-2.0
// An adapter of the LoRA family on a checkpoint, for comparison with PEFT:
//   adapter --model DIR --batch batch.json --out out.safetensors [--from ADAPTER]
//     [--init NAME] [--dora] [--steps N] [--save ADAPTER] [--dtype float64]
// Reads an adapter folder, or makes a new adapter of rank 4; writes what probe_model does; takes N
// optimizer steps on the batch; saves the adapter and writes the log-probabilities after it all
// (`logps_after`).
#include <CLI/CLI.hpp>
#include <cstdio>

#include "posttrain/core/describe.hpp"
#include "posttrain/models/config_parse.hpp"
#include "posttrain/models/weights.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/lora_files.hpp"
#include "programs/probe.hpp"

namespace {

using namespace posttrain;

struct Arguments {
  std::string model, batch, out, from, init = "kaiming", save, dtype = "float64";
  bool dora = false;
  int steps = 0;
};

LoraInit init_named(const std::string& name) {
  for (const LoraInit init :
       {LoraInit::kaiming, LoraInit::gaussian, LoraInit::olora, LoraInit::pissa}) {
    if (enum_name(init) == name) return init;
  }
  raise("expected kaiming, gaussian, olora or pissa, got {}", name);
}

void run(const Arguments& arguments) {
  auto folder = std::make_shared<io::PretrainedFolder>(arguments.model);
  const models::Decoder model(models::parse_config(folder->config_text()),
                              {.dtype = arguments.dtype == "float64" ? at::kDouble : at::kFloat},
                              models::weight_loader(folder));
  const Lora fresh{.rank = 4, .use_dora = arguments.dora, .init = init_named(arguments.init)};
  auto state = arguments.from.empty() ? fresh.attach(model)
                                      : LoraFrom{.folder = arguments.from}.attach(model);
  const TokenBatch batch = test::read_batch(arguments.batch, model.vocab_size());
  auto tensors = test::probe_state(model, state, batch);
  for (auto& [name, tensor] : tensors) tensor = tensor.clone();
  auto optimizer = AdamW{}.attach(state.trainable());
  for (int step = 0; step < arguments.steps; ++step) {
    optimizer.step(state.trainable(), 1e-2, 1.0);
    state.publish();
    for (ParameterGroup& group : state.trainable()) group.grad.zero_();
    test::probe_state(model, state, batch);
  }
  tensors.emplace_back("logps_after", test::probe_state(model, state, batch)[1].second);
  if (!arguments.save.empty()) save_adapter(state, arguments.save, arguments.model);
  io::save_tensors(arguments.out, tensors);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("An adapter of the LoRA family on a checkpoint, for comparison with PEFT");
  Arguments arguments;
  app.add_option("--model", arguments.model)->required();
  app.add_option("--batch", arguments.batch)->required();
  app.add_option("--out", arguments.out)->required();
  app.add_option("--from", arguments.from);
  app.add_option("--init", arguments.init);
  app.add_flag("--dora", arguments.dora);
  app.add_option("--steps", arguments.steps);
  app.add_option("--save", arguments.save);
  app.add_option("--dtype", arguments.dtype)->check(CLI::IsMember({"float32", "float64"}));
  CLI11_PARSE(app, argc, argv);
  try {
    run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
