// SPDX-License-Identifier: Apache-2.0
// One configuration of benchmarks/estimate.py: what estimate() reckons and what measure() finds, in
// a process of its own, since peak memory is a process's. Prints one JSON line.
//
//   estimate_server --model DIR --method lora [--storage nf4] [--optimizer adamw_8bit] …
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "posttrain/io/json.hpp"
#include "posttrain/recipes/estimate.hpp"
#include "posttrain/recipes/measure.hpp"

using namespace posttrain;

int main(int argc, char** argv) {
  CLI::App app("One configuration of benchmarks/estimate.py");
  EstimateOptions options;
  std::string model, method = "sft", storage = "dense", optimizer = "adamw", reference = "standard",
                     dtype = "float32";
  app.add_option("--model", model)->required();
  app.add_option("--method", method);
  app.add_option("--storage", storage);
  app.add_option("--optimizer", optimizer);
  app.add_option("--reference", reference);
  app.add_option("--dtype", dtype);
  app.add_option("--tokens", options.max_tokens_per_gpu);
  app.add_option("--length", options.max_seq_len);
  app.add_option("--batch", options.effective_batch_size);
  app.add_option("--rank", options.lora_r);
  app.add_option("--new", options.max_tokens);
  app.add_option("--group", options.num_generations);
  app.add_flag("--checkpointing", options.gradient_checkpointing);
  app.add_flag("--from-scratch", options.from_scratch);
  CLI11_PARSE(app, argc, argv);
  try {
    options.training_method = method;
    options.model_path = model;
    options.train_dtype = dtype;
    options.storage = storage;
    options.optimizer = optimizer;
    options.reference = reference;
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
