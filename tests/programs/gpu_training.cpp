// SPDX-License-Identifier: Apache-2.0
// Runs, training steps and samples on a GPU, for tests/gpu.sh; a JSON line for each result:
//   gpu_training parity --shapes tests/gpu/shapes.json [--device cuda] [--tiny]
//   gpu_training training | decode | grpo --shapes FILE --model Qwen3-0.6B [options: --help]
//     {"check", "value", "bound", "ok"}   {"training" | "decode" | "grpo": model, rates …}
#include "gpu/parity.hpp"
#include "gpu/sampling.hpp"
#include "gpu/training.hpp"

int main(int argc, char** argv) {
  using namespace posttrain;
  CLI::App app("Training and sampling on a GPU");
  app.require_subcommand(1);
  gpu::Parity parity;
  gpu::Training training;
  gpu::Decoding decoding;
  gpu::GrpoRows grpo;
  gpu::add_part(app, "parity", parity);
  gpu::add_part(app, "training", training);
  gpu::add_part(app, "decode", decoding);
  gpu::add_part(app, "grpo", grpo);
  return gpu::run_program(app, argc, argv);
}
