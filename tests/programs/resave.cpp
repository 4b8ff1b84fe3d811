// SPDX-License-Identifier: Apache-2.0
// Loads a checkpoint and writes it again, dense or in 4 bits, as a folder or a GGUF file; or an
// adapter's folder as a GGUF file:
//
//   resave --model DIR|FILE --output DIR [--dtype bfloat16] [--storage nf4|gguf]
//   resave --model DIR|FILE --output FILE.gguf [--dtype bfloat16] [--type Q8_0] [--adapter DIR]
#include <CLI/CLI.hpp>
#include <cstdio>

#include "posttrain/base/error_text.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/lora/files.hpp"
#include "posttrain/params/lora/gguf.hpp"
#include "posttrain/storage/gguf.hpp"
#include "posttrain/storage/nf4.hpp"

int main(int argc, char** argv) {
  using namespace posttrain;
  CLI::App app("Loads a checkpoint folder and writes it again");
  std::string model_folder, output, dtype = "float32", storage = "dense";
  app.add_option("--model", model_folder)->required();
  app.add_option("--output", output)->required();
  app.add_option("--dtype", dtype)->check(CLI::IsMember({"float32", "bfloat16"}));
  app.add_option("--storage", storage)->check(CLI::IsMember({"dense", "nf4", "gguf"}));
  std::string type, adapter;
  app.add_option("--type", type);
  app.add_option("--adapter", adapter);
  CLI11_PARSE(app, argc, argv);
  try {
    const hub::PretrainedDecoder model(model_folder,
                                       {.dtype = dtype == "bfloat16" ? at::kBFloat16 : at::kFloat});
    if (!adapter.empty()) {
      const From<Lora> policy{.folder = LiteralString(adapter.c_str())};
      save_gguf(policy.attach(model), model.config(), output);
    } else if (output.ends_with(".gguf")) {
      std::optional<GgufType> wanted;
      for (const io::GgufTypeInfo& info : io::kGgufTypes) {
        if (info.name == type) wanted = info.type;
      }
      const FrozenState state = Frozen{}.attach(model);
      model.check_all_loaded();
      model.save_gguf(output, state.weights(), wanted);
    } else if (storage == "gguf") {
      const auto state = BasicFrozen<Gguf>{}.attach(model);
      model.check_all_loaded();
      model.save(output, state.weights());
    } else if (storage == "nf4") {
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
