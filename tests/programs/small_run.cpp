// SPDX-License-Identifier: Apache-2.0
// A run of a tiny model that leaves metrics and event files, and may be killed on its way:
//   small_run TOKENS RUN_DIR LOG_DIR STEPS KILL_AFTER
// TOKENS: JSON lines with "input_ids" below 50. A checkpoint every 5 steps, a validation every 2;
// SIGKILL after the step KILL_AFTER has been logged (0: never).
#include <csignal>
#include <cstdint>
#include <string>

#include "posttrain/data/tokenized.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"
#include "support/tiny_model.hpp"

namespace {

using namespace posttrain;

struct KillAfter {
  std::int64_t step;
  void on(const event::AfterStep& event) const {
    if (event.metrics.step == step) std::raise(SIGKILL);
  }
};

void run(const std::vector<std::string>& words) {
  if (words.size() != 5) fail("expected TOKENS RUN_DIR LOG_DIR STEPS KILL_AFTER");
  Options options{.max_steps = std::stoll(words[3]), .effective_batch_size = 4};
  options.validation_split = 0.2;
  options.learning_rate = 1e-2;
  options.run_dir = words[1];
  options.tensorboard_log_dir = words[2];
  options.checkpoint_steps = 5;
  options.validation_frequency = 2;
  options.progress = false;
  Trainer trainer(test::tiny_model(at::kFloat), NextToken{}, Full{}, Tokenized{.path = words[0]},
                  AdamW{}, options);
  trainer.add(KillAfter{std::stoll(words[4])});
  trainer.train();
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
