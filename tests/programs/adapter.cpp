// SPDX-License-Identifier: Apache-2.0
// An adapter on a checkpoint, for comparison with PEFT:
//   adapter --model DIR --batch batch.json --out out.safetensors [--method lora|prompt|prefix]
//     [--from ADAPTER] [--init NAME] [--text TEXT] [--dora] [--steps N] [--save ADAPTER]
//     [--dtype float64]
// Reads an adapter folder, or makes a new adapter of rank 4 (4 virtual tokens); writes what
// probe_model does; takes N optimizer steps on the batch; saves the adapter and writes the
// log-probabilities after it all (`logps_after`).
#include <CLI/CLI.hpp>
#include <cstdio>

#include "posttrain/core/describe.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/lora_files.hpp"
#include "posttrain/params/prompt_files.hpp"
#include "programs/probe.hpp"

namespace {

using namespace posttrain;

struct Arguments {
  std::string model, batch, out, method = "lora", from, init, text, save, dtype = "float64";
  bool dora = false;
  int steps = 0;
};

/// The value of this name, or the first.
template <class Enum>
Enum named(const std::string& name, std::initializer_list<Enum> values) {
  if (name.empty()) return *values.begin();
  for (const Enum value : values) {
    if (enum_name(value) == name) return value;
  }
  raise("no such --init: {}", name);
}

template <class State>
void run(const Arguments& arguments, const hub::PretrainedDecoder& model, State state) {
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
  if (!arguments.save.empty()) {
    if constexpr (requires { save_adapter(state, "", ""); }) {
      save_adapter(state, arguments.save, arguments.model);
    } else {
      save_prompt(state, arguments.save, arguments.model);
    }
  }
  io::save_tensors(arguments.out, tensors);
}

template <class Policy>
auto attach(const Policy& policy, const hub::PretrainedDecoder& model) {
  policy.validate();
  return policy.attach(model);
}

void run(const Arguments& arguments) {
  const hub::PretrainedDecoder model(
      arguments.model, {.dtype = arguments.dtype == "float64" ? at::kDouble : at::kFloat});
  const bool fresh = arguments.from.empty();
  if (arguments.method == "prompt") {
    const PromptTuning policy{
        .num_virtual_tokens = 4,
        .init = named(arguments.init, {PromptInit::sample_vocab, PromptInit::text}),
        .init_text = arguments.text};
    run(arguments, model,
        fresh ? attach(policy, model) : attach(PromptTuningFrom{arguments.from}, model));
  } else if (arguments.method == "prefix") {
    const PrefixTuning policy{
        .num_virtual_tokens = 4,
        .init = named(arguments.init, {PrefixInit::sample_vocab, PrefixInit::text}),
        .init_text = arguments.text};
    run(arguments, model,
        fresh ? attach(policy, model) : attach(PrefixTuningFrom{arguments.from}, model));
  } else {
    const Lora policy{.rank = 4,
                      .use_dora = arguments.dora,
                      .init = named(arguments.init, {LoraInit::kaiming, LoraInit::gaussian,
                                                     LoraInit::olora, LoraInit::pissa})};
    run(arguments, model, fresh ? attach(policy, model) : attach(LoraFrom{arguments.from}, model));
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("An adapter on a checkpoint, for comparison with PEFT");
  Arguments arguments;
  app.add_option("--model", arguments.model)->required();
  app.add_option("--batch", arguments.batch)->required();
  app.add_option("--out", arguments.out)->required();
  app.add_option("--method", arguments.method)->check(CLI::IsMember({"lora", "prompt", "prefix"}));
  app.add_option("--from", arguments.from);
  app.add_option("--init", arguments.init);
  app.add_option("--text", arguments.text);
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
