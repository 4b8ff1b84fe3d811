// SPDX-License-Identifier: Apache-2.0
// One rank of a run of a tiny model, by the environment's launcher:
//   ranks_run [FLAGS] TOKENS RUN_DIR STEPS [LEARNING_RATE [fail|kill|stop RANK STEP]]
// --sliced: ranks share the optimizer's memory. --mpi: they talk by MPI; --mpi-pieces: in pieces of
// 1,000 elements. TOKENS: JSON lines with "input_ids" below 50. A checkpoint every 4 steps, a
// validation every 5. Prints "step LOSS NORM" lines, "rank R of N", and the sum of the weights'
// bits, which is the same on each rank. `fail`: the rank throws after that step, `kill`: it is
// killed, `stop`: it is stopped, as a machine that hangs; none of them once torchrun has started
// all ranks again.
#include <bit>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/data/tokenized.hpp"
#include "posttrain/distributed/mpi.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"
#include "support/tiny_model.hpp"

namespace {

using namespace posttrain;

struct Watch {
  std::string fault{};
  std::int64_t step = 0;
  void on(const event::AfterStep& event) const {
    fmt::print("step {:.17g} {:.17g}\n", event.metrics.loss, event.metrics.grad_norm);
    std::fflush(stdout);
    if (fault.empty() || event.metrics.step != step) return;
    if (fault == "fail") fail("the disk is full");
    std::raise(fault == "kill" ? SIGKILL : SIGSTOP);
  }
};

std::uint64_t bits_of(const Tensor& trained) {
  const Tensor weights = trained.to(at::kCPU);
  std::uint64_t sum = 0;
  const float* value = weights.const_data_ptr<float>();
  for (std::int64_t i = 0; i < weights.numel(); ++i) {
    sum = 31 * sum + std::bit_cast<std::uint32_t>(value[i]);
  }
  return sum;
}

void run(std::vector<std::string> words) {
  const bool sliced = std::erase(words, "--sliced") > 0, by_mpi = std::erase(words, "--mpi") > 0;
  const bool in_pieces = std::erase(words, "--mpi-pieces") > 0;
  if (words.size() != 3 && words.size() != 4 && words.size() != 7) {
    fail(
        "expected [--sliced] [--mpi|--mpi-pieces] TOKENS RUN_DIR STEPS [LEARNING_RATE [FAULT RANK "
        "STEP]]");
  }
  Options options = {.max_steps = std::stoll(words[2]), .effective_batch_size = 6};
  options.validation_split = 0.2;
  options.lr_scheduler.type = optim::LrScheduler::constant;  // a run of fewer steps is a part
  options.learning_rate = words.size() > 3 ? std::stod(words[3]) : 1e-3;
  options.run_dir = words[1];
  options.checkpoint_steps = 4;
  options.validation_frequency = 5;
  options.save_best = false;
  options.progress = false;
  Ranks ranks;
  if (by_mpi) ranks.backend = Ranks::Backend::mpi;
  std::optional<Meeting> meeting;
  if (in_pieces) {
    const RankPlace place = rank_place(EnvironmentVariables());
    ranks.over = mpi_communicator(place, meeting.emplace(place), std::chrono::seconds(6), 1000);
  }
  // [snippet: ranks]
  ranks.timeout = 6.0;
  if (sliced) ranks.sharding = Ranks::Sharding::optimizer;
  Trainer trainer(test::tiny_model(at::kFloat), NextToken{}, Full{}, Tokenized{.path = words[0]},
                  AdamW{}, options, ranks);
  // [/snippet]
  Watch watch;
  const char* restarts = std::getenv("TORCHELASTIC_RESTART_COUNT");
  const bool again = restarts && std::string_view(restarts) != "0";
  if (words.size() == 7 && !again && trainer.rank() == std::stoll(words[5])) {
    watch = {words[4], std::stoll(words[6])};
  }
  trainer.add(watch);
  const TrainResult result = trainer.train();
  std::uint64_t bits = 0;
  for (const ParameterGroup& group : trainer.state().trainable()) {
    bits = 31 * bits + bits_of(group.value);
  }
  fmt::print("rank {} of {}\nweights {:016x}\nvalidation {:.17g}\ninterrupted {}\n", trainer.rank(),
             trainer.ranks(), bits, result.val_loss, result.interrupted ? result.signal : 0);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
  return 0;
}
