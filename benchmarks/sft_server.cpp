// SPDX-License-Identifier: Apache-2.0
// Our side of benchmarks/sft.py: full fine-tuning, one step at a time (step_server.hpp).
//
//   sft_server --model DIR --data steps.jsonl [--dtype bfloat16] [--score-padding]
#include "posttrain/params/full.hpp"
#include "step_server.hpp"

int main(int argc, char** argv) {
  using namespace posttrain;
  CLI::App app("Our side of benchmarks/sft.py");
  benchmarks::ServerOptions options;
  options.add_to(app);
  return benchmarks::run_server(app, argc, argv, [&] {
    benchmarks::serve(options, Full{}, [](const auto&) { return std::string(); });
  });
}
