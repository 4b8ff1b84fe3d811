// SPDX-License-Identifier: Apache-2.0
// Loads a checkpoint folder and writes it again: resave --model DIR --output DIR [--dtype bfloat16]
#include <CLI/CLI.hpp>
#include <cstdio>

#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/params/frozen.hpp"

int main(int argc, char** argv) {
  using namespace posttrain;
  CLI::App app("Loads a checkpoint folder and writes it again");
  std::string model_folder, output, dtype = "float32";
  app.add_option("--model", model_folder)->required();
  app.add_option("--output", output)->required();
  app.add_option("--dtype", dtype)->check(CLI::IsMember({"float32", "bfloat16"}));
  CLI11_PARSE(app, argc, argv);
  try {
    const hub::PretrainedDecoder model(model_folder,
                                       {.dtype = dtype == "bfloat16" ? at::kBFloat16 : at::kFloat});
    const FrozenState state = Frozen{}.attach(model);
    model.check_all_loaded();
    model.save(output, state.weights());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
