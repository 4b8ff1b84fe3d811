// SPDX-License-Identifier: Apache-2.0
// Our side of benchmarks/ranks.py: one rank of a run that trains all weights.
//
//   ranks_server --model DIR --data steps.jsonl [--overlap 0] [--bucket MIB] [--sliced 1]
//
// Ranks are told by the environment (docs/ranks.md). A data line is a micro-batch, as step_server
// reads it; a step has one for each rank. For each line "step" on standard input {"step", "loss",
// "grad_norm", "seconds", "calls", "bytes"}, the last two of collective operations; for "sum"
// {"seconds"}, the time of adding up all gradients by itself. At the end {"elements", "held"}:
// weights that train, and bytes of weights, gradients, masters and moments. --sliced: ranks share
// the optimizer's memory.
#include "posttrain/distributed/ranks.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer/gradient_sum.hpp"
#include "step_server.hpp"

namespace {

using namespace posttrain;

struct Settings {
  benchmarks::ServerOptions server{};
  bool overlap = true, sliced = false;
  std::int64_t bucket = 25;  // MiB, as DistributedDataParallel's default

  void add_to(CLI::App& app) {
    server.add_to(app);
    app.add_option("--overlap", overlap);
    app.add_option("--bucket", bucket);
    app.add_option("--sliced", sliced);
  }
};

void serve(const Settings& settings) {
  Ranks ranks{.sharding = settings.sliced ? Ranks::Sharding::optimizer : Ranks::Sharding::none,
              .overlap = settings.overlap,
              .bucket = settings.bucket << 20};
  const std::shared_ptr<Communicator> communicator = ranks.over = join_ranks(ranks);
  Trainer trainer(settings.server.decoder(), NextToken{}, Full{}, benchmarks::Driven{}, AdamW{},
                  benchmarks::step_options(), ranks);
  const std::vector<TokenBatch> batches = benchmarks::read_steps(settings.server.data, false);
  const auto size = static_cast<std::size_t>(trainer.ranks());
  const std::vector<ParameterGroup>& groups = trainer.state().trainable();
  GradientSum sum(communicator, groups, {}, {.bytes = ranks.bucket, .overlap = false});
  std::printf("READY\n");
  std::fflush(stdout);
  std::size_t next = 0;
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    communicator->barrier();
    if (line == "sum") {
      const Stopwatch watch;
      sum.finish();
      fmt::print("{{\"seconds\": {:.6f}}}\n", watch.seconds());
    } else {
      std::vector<TokenBatch> step;
      for (std::size_t i = 0; i < size; ++i) step.push_back(batches[next++ % batches.size()]);
      const Traffic before = communicator->traffic();
      const StepMetrics metrics = trainer.step(step);
      const Traffic after = communicator->traffic();
      fmt::print(
          "{{\"step\": {}, \"loss\": {:.9g}, \"grad_norm\": {:.9g}, \"seconds\": {:.6f}, "
          "\"calls\": {}, \"bytes\": {}}}\n",
          metrics.step, metrics.loss, metrics.grad_norm, metrics.time_per_batch,
          after.calls - before.calls, after.bytes - before.bytes);
    }
    std::fflush(stdout);
  }
  std::int64_t elements = 0;
  for (const ParameterGroup& group : groups) elements += group.grad.numel();
  const Footprint held = trainer.footprint();
  fmt::print("{{\"elements\": {}, \"held\": {}}}\n", elements,
             held.weights + held.gradients + held.masters + held.optimizer);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Our side of benchmarks/ranks.py");
  Settings settings;
  settings.add_to(app);
  return benchmarks::run_server(app, argc, argv, [&] { serve(settings); });
}
