// SPDX-License-Identifier: Apache-2.0
// One configuration of benchmarks/estimate.py: what estimate() reckons and what measure() finds, in
// a process of its own, since peak memory is a process's. Prints one JSON line.
//
//   estimate_server --model DIR --method lora [--storage nf4] [--optimizer adamw_8bit] …
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "posttrain/base/describe.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/recipes/estimate.hpp"
#include "posttrain/recipes/measure.hpp"

namespace {

using namespace posttrain;

/// An option that takes an enumeration's own names.
template <class E>
void add_enum(CLI::App& app, const std::string& name, E& value, std::vector<E> all) {
  std::map<std::string, E> names;
  for (const E each : all) names.emplace(enum_name(each), each);
  app.add_option(name, value)->transform(CLI::CheckedTransformer(names));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("One configuration of benchmarks/estimate.py");
  EstimateOptions options;
  std::string model, dtype = "float32";
  app.add_option("--model", model)->required();
  {
    using enum TrainingMethod;
    add_enum(app, "--method", options.training_method,
             {sft, osft, lora, qlora, dpo, kto, reward, grpo});
  }
  {
    using enum EstimateStorage;
    add_enum(app, "--storage", options.storage, {dense, nf4, int8});
  }
  {
    using enum EstimateOptimizer;
    add_enum(app, "--optimizer", options.optimizer, {adamw, adamw_8bit});
  }
  {
    using enum EstimateReference;
    add_enum(app, "--reference", options.reference, {standard, copy, scores});
  }
  app.add_option("--dtype", dtype)->check(CLI::IsMember({"float32", "bfloat16"}));
  app.add_option("--tokens", options.max_tokens_per_gpu);
  app.add_option("--length", options.max_seq_len);
  app.add_option("--batch", options.effective_batch_size);
  app.add_option("--rank", options.lora_r);
  app.add_option("--new", options.max_new_tokens);
  app.add_option("--group", options.group_size);
  app.add_flag("--checkpointing", options.gradient_checkpointing);
  app.add_flag("--from-scratch", options.from_scratch);
  CLI11_PARSE(app, argc, argv);
  options.model_path = model;
  if (dtype == "bfloat16") options.dtype = at::kBFloat16;
  try {
    const MemoryEstimate expected = estimate(options);
    const MeasuredMemory measured = measure(options);
    std::fprintf(stderr, "%s\n", expected.text().c_str());
    const Json result{{"low", expected.low},
                      {"mid", expected.mid},
                      {"high", expected.high},
                      {"measured", measured.peak}};
    std::printf("%s\n", result.dump().c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
