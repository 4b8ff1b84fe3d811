// SPDX-License-Identifier: Apache-2.0
// Our side of benchmarks/grpo.py: GRPO on one prompt's group (grpo_steps.hpp), a JSON line for each
// of standard input.
//
//   grpo_server --model DIR --params full|lora [--dtype bfloat16]
//   {"prompt": [ids], "completions": [[ids], …], "shared": bool}        an update on given samples
//   {"prompt": [ids], "samples": n, "new": m, "shared": bool}           samples first, then updates
//       →  {"seconds", "generate_seconds", "loss", "grad_norm"}
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <string>
#include <utility>

#include "grpo_steps.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "step_server.hpp"

namespace {

using namespace posttrain;

template <class Steps>
Json answer(Steps& steps, const Json& asked) {
  const bool shared = asked.at("shared");
  typename Steps::Done done;
  if (asked.contains("completions")) {
    RolloutGroup group;
    asked.at("prompt").get_to(group.prompt);
    for (const Json& ids : asked.at("completions")) {
      group.samples.push_back(benchmarks::judged(ids.get<TokenIds>()));
    }
    done = steps.update(std::move(group), shared);
  } else {
    done = steps.step(asked.at("prompt").get<TokenIds>(), asked.at("samples"), asked.at("new"),
                      shared);
  }
  return {{"seconds", done.seconds},
          {"generate_seconds", done.generate_seconds},
          {"loss", done.metrics.loss},
          {"grad_norm", done.metrics.grad_norm}};
}

template <class Params>
void serve(const benchmarks::ServerOptions& options, const Params& params) {
  benchmarks::GrpoSteps<hub::PretrainedDecoder, Params> steps(options.decoder(), params,
                                                              benchmarks::step_options());
  std::printf("READY\n");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    std::printf("%s\n", answer(steps, Json::parse(line)).dump().c_str());
    std::fflush(stdout);
  }
  std::printf("{}\n");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("GRPO for benchmarks/grpo.py");
  benchmarks::ServerOptions options;
  options.add_to(app);
  std::string params = "full";
  app.add_option("--params", params)->check(CLI::IsMember({"full", "lora"}));
  return benchmarks::run_server(app, argc, argv, [&] {
    if (params == "lora") {
      serve(options, Lora{.rank = 16, .alpha = 16.0});
    } else {
      serve(options, Full{});
    }
  });
}
