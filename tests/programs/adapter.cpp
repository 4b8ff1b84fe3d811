// SPDX-License-Identifier: Apache-2.0
// An adapter on a checkpoint, for comparison with PEFT:
//   adapter --model DIR --batch batch.json --out out.safetensors [--method lora|prompt|prefix]
//     [--from ADAPTER] [--init NAME] [--text TEXT] [--dora] [--targets PATTERNS] [--alpha A]
//     [--loftq-iter N] [--eva] [--modules-to-save PATTERNS] [--ensure-weight-tying]
//     [--token-indices IDS] [--steps N] [--save ADAPTER] [--dtype float64]
// Reads an adapter folder, or makes a new adapter of rank 4 (4 virtual tokens); writes what
// probe_model does; takes N optimizer steps on the batch; saves the adapter and writes the
// log-probabilities after it all (`logps_after`). LoftQ stands on a base in NF4 without double
// quantisation; --eva starts from the inputs of the batch.
//   adapter --model DIR --batch batch.json --out out.safetensors --set FOLDER [--save FOLDER]
// Reads all adapters of a folder onto one base; writes the log-probabilities of each under its
// name, and those of 0.7 · first − 0.4 · second, added up both ways.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "posttrain/base/describe.hpp"
#include "posttrain/base/error_text.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/eva.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/lora/files.hpp"
#include "posttrain/params/lora/set.hpp"
#include "posttrain/params/prompt/files.hpp"
#include "posttrain/storage/nf4.hpp"
#include "programs/probe.hpp"

namespace {

using namespace posttrain;

struct Arguments {
  std::string model, batch, out, method = "lora", from, init, text, targets = "all-linear", set;
  std::string save, dtype = "float64", modules_to_save, token_indices;
  double alpha = 8.0;
  std::int64_t loftq_iter = 1;
  bool dora = false, eva = false, ensure_weight_tying = false;
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
  if (!arguments.save.empty()) save(state, arguments.save, arguments.model);
  io::save_tensors(arguments.out, tensors);
}

template <class Policy>
auto attach(const Policy& policy, const hub::PretrainedDecoder& model) {
  policy.validate();
  return policy.attach(model);
}

void run_set(const Arguments& arguments, const hub::PretrainedDecoder& model) {
  const TokenBatch batch = test::read_batch(arguments.batch, model.vocab_size());
  AdapterSet set(model);
  const std::vector<std::string> names = set.load_all(arguments.set);
  if (!arguments.save.empty()) save(set, arguments.save, arguments.model);
  set.combine("cat", {{names.at(0), 0.7}, {names.at(1), -0.4}});
  set.combine("linear", {{names.at(0), 0.7}, {names.at(1), -0.4}}, Combination::linear);
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const std::string& name : set.names()) {
    tensors.emplace_back(name, test::probe_state(model, set.gate(name), batch)[1].second);
  }
  io::save_tensors(arguments.out, tensors);
}

void run_lora(const Arguments& arguments, const hub::PretrainedDecoder& model) {
  const Lora fresh{
      .rank = 4,
      .alpha = arguments.alpha,
      .target_modules = arguments.targets,
      .use_dora = arguments.dora,
      .init = named(arguments.init, {LoraInit::kaiming, LoraInit::gaussian, LoraInit::olora,
                                     LoraInit::pissa, LoraInit::loftq}),
      .loftq_iter = arguments.loftq_iter,
      .modules_to_save = arguments.modules_to_save,
      .ensure_weight_tying = arguments.ensure_weight_tying,
      .trainable_token_indices = arguments.token_indices};
  if (!arguments.from.empty()) {
    run(arguments, model, attach(From<Lora>{.folder = arguments.from}, model));
  } else if (fresh.init == LoraInit::loftq) {
    run(arguments, model, attach(with_storage(fresh, Nf4{.double_quant = false}), model));
  } else if (arguments.eva) {
    const TokenBatch batch = test::read_batch(arguments.batch, model.vocab_size());
    const Eva eva{.lora = fresh,
                  .inputs = input_statistics(model, Frozen{}.attach(model), {batch})};
    run(arguments, model, attach(eva, model));
  } else {
    run(arguments, model, attach(fresh, model));
  }
}

void run(const Arguments& arguments) {
  const hub::PretrainedDecoder model(
      arguments.model, {.dtype = arguments.dtype == "float64" ? at::kDouble : at::kFloat});
  const bool fresh = arguments.from.empty();
  if (!arguments.set.empty()) return run_set(arguments, model);
  if (arguments.method == "prompt") {
    const PromptTuning policy{
        .num_virtual_tokens = 4,
        .init = named(arguments.init, {PromptInit::sample_vocab, PromptInit::text}),
        .init_text = arguments.text};
    run(arguments, model,
        fresh ? attach(policy, model) : attach(From<PromptTuning>{arguments.from}, model));
  } else if (arguments.method == "prefix") {
    const PrefixTuning policy{
        .num_virtual_tokens = 4,
        .init = named(arguments.init, {PrefixInit::sample_vocab, PrefixInit::text}),
        .init_text = arguments.text};
    run(arguments, model,
        fresh ? attach(policy, model) : attach(From<PrefixTuning>{arguments.from}, model));
  } else {
    run_lora(arguments, model);
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
  app.add_option("--targets", arguments.targets);
  app.add_option("--alpha", arguments.alpha);
  app.add_option("--loftq-iter", arguments.loftq_iter);
  app.add_flag("--dora", arguments.dora);
  app.add_flag("--eva", arguments.eva);
  app.add_option("--modules-to-save", arguments.modules_to_save);
  app.add_flag("--ensure-weight-tying", arguments.ensure_weight_tying);
  app.add_option("--token-indices", arguments.token_indices);
  app.add_option("--steps", arguments.steps);
  app.add_option("--set", arguments.set);
  app.add_option("--save", arguments.save);
  app.add_option("--dtype", arguments.dtype)->check(CLI::IsMember({"float32", "float64"}));
  CLI11_PARSE(app, argc, argv);
  try {
    run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", posttrain::error_text(error).c_str());
    return 1;
  }
  return 0;
}
