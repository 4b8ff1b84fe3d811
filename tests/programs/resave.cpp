// SPDX-License-Identifier: Apache-2.0
// Loads a checkpoint folder and writes it again, dense or in 4 bits:
// resave --model DIR --output DIR [--dtype bfloat16] [--storage nf4]
#include <CLI/CLI.hpp>
#include <cstdio>

#include "posttrain/base/error_text.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/storage/nf4.hpp"

int main(int argc, char** argv) {
  using namespace posttrain;
  CLI::App app("Loads a checkpoint folder and writes it again");
  std::string model_folder, output, dtype = "float32", storage = "dense";
  app.add_option("--model", model_folder)->required();
  app.add_option("--output", output)->required();
  app.add_option("--dtype", dtype)->check(CLI::IsMember({"float32", "bfloat16"}));
  app.add_option("--storage", storage)->check(CLI::IsMember({"dense", "nf4"}));
  CLI11_PARSE(app, argc, argv);
  try {
    const hub::PretrainedDecoder model(model_folder,
                                       {.dtype = dtype == "bfloat16" ? at::kBFloat16 : at::kFloat});
    if (storage == "nf4") {
      const auto state = BasicFrozen<Nf4>{}.attach(model);
      model.check_all_loaded();
      model.save(output, state.packed_weights());
    } else {
      const FrozenState state = Frozen{}.attach(model);
      model.check_all_loaded();
      model.save(output, state.weights());
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", posttrain::error_text(error).c_str());
    return 1;
  }
  return 0;
}
