// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "posttrain/losses/grpo.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/loss_curve.hpp"
#include "support/rollout_model.hpp"
#include "support/small_run.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

Options run_of(std::int64_t steps) {
  Options options = small_run(steps, 8, 200);
  options.lr_scheduler = {.type = optim::LrScheduler::constant};
  return options;
}

struct Heard {
  std::vector<Rollout>* rollouts;
  std::vector<StepMetrics>* steps;
  void on(const event::RolloutEnd& event) { rollouts->push_back(*event.rollout); }
  void on(const event::AfterStep& event) { steps->push_back(event.metrics); }
};

struct Run {
  std::vector<Rollout> rollouts;
  std::vector<StepMetrics> steps;
  std::vector<Tensor> weights;
};

Run run(const Rollouts<LowerCase>& data, const Options& options) {
  Run result;
  Trainer trainer(TalkingModel(), Grpo{}, Full{}, data, AdamW{}, options);
  trainer.add(Heard{&result.rollouts, &result.steps});
  trainer.train();
  for (const NamedTensor& tensor : trainer.state().weights()) {
    result.weights.push_back(tensor.value.clone());
  }
  return result;
}

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(a, b, [](const Tensor& x, const Tensor& y) { return at::equal(x, y); });
}

}  // namespace

TEST_CASE("A policy learns from the rewards of what it wrote", "[data][rollouts][grpo]") {
  const TempFolder folder;
  folder.write("prompts.jsonl", counting_prompts(6));
  Options options = run_of(25);
  options.effective_batch_size = 16;
  const Run learned = run(short_rollouts((folder / "prompts.jsonl").string()), options);
  REQUIRE(learned.steps.size() == 25);
  const double before = metric(learned.steps.front(), "reward"),
               after = metric(learned.steps.back(), "reward");
  CAPTURE(before, after);
  CHECK(after > before + 0.3);
  const Rollout& first = learned.rollouts.front();
  CHECK(first.verifiers == std::vector<std::string>{"LowerCase"});
  for (const RolloutGroup& group : first.groups) {
    CHECK(group.samples.size() == 4);
    for (const RolloutSample& sample : group.samples) {
      CHECK(sample.ids.size() == sample.sampled_logps.size());
      CHECK(sample.reward.has_value());
      CHECK(sample.scores.size() == 1);
    }
  }
}

TEST_CASE("A run that is resumed in the middle of a rollout is the run that was not interrupted",
          "[data][rollouts][checkpoints]") {
  const TempFolder folder;
  folder.write("prompts.jsonl", counting_prompts(10));
  Rollouts<LowerCase> data = short_rollouts((folder / "prompts.jsonl").string());
  data.rollout_size = 16;
  data.num_iterations = 2;
  const Run whole = run(data, run_of(9));
  for (const std::int64_t stop : {1, 2, 3, 4, 6}) {
    Options options = run_of(stop);
    const std::string place = (folder / ("run-" + std::to_string(stop))).string();
    options.run_dir = place;
    run(data, options);
    options.max_steps = 9;
    const Run rest = run(data, options);
    CHECK(rest.steps.size() == static_cast<std::size_t>(9 - stop));
    CHECK(same(rest.weights, whole.weights));
  }
}

TEST_CASE("Noise that would make the policy that trains another one is refused",
          "[data][rollouts]") {
  const TempFolder folder;
  const auto data = short_rollouts(folder.write("prompts.jsonl", counting_prompts(4)));
  Options options = run_of(1);
  options.neftune_noise_alpha = 5.0;
  CHECK_THROWS_WITH(Trainer(TalkingModel(), Grpo{}, Full{}, data, AdamW{}, options),
                    Catch::Contains("no dropout"));
  CHECK_THROWS_WITH(
      Trainer(TalkingModel(), Grpo{}, Lora{.rank = 2, .dropout = 0.1}, data, AdamW{}, run_of(1)),
      Catch::Contains("no dropout"));
}
