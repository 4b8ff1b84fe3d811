// SPDX-License-Identifier: Apache-2.0
// What a GPU can do, and the kernels that run on it, for tests/gpu.sh; a JSON line for each result:
//   gpu_kernels ceilings | kernels | attention [--device cuda] [--tiny]
//     {"ceiling", "unit", "value"}   {"check", "value", "bound", "ok"}   rates of kernels
#include "gpu/attention_check.hpp"
#include "gpu/ceilings.hpp"
#include "gpu/kernel_check.hpp"

int main(int argc, char** argv) {
  using namespace posttrain;
  CLI::App app("A GPU and the library's kernels on it");
  app.require_subcommand(1);
  gpu::Ceilings ceilings;
  gpu::KernelCheck kernels;
  gpu::AttentionCheck attention;
  gpu::add_part(app, "ceilings", ceilings);
  gpu::add_part(app, "kernels", kernels);
  gpu::add_part(app, "attention", attention);
  return gpu::run_program(app, argc, argv);
}
