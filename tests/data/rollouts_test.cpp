// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts.hpp"

#include <string>
#include <vector>

#include "posttrain/losses/grpo.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "support/catch.hpp"
#include "support/loss_curve.hpp"
#include "support/rollout_model.hpp"
#include "support/rollout_run.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("A policy learns from the rewards of what it wrote", "[data][rollouts][grpo]") {
  const TempFolder folder;
  folder.write("prompts.jsonl", counting_prompts(6));
  Options options = rollout_options(25);
  options.effective_batch_size = 16;
  const RolloutRun learned =
      run_rollouts(Grpo{}, Full{}, short_rollouts((folder / "prompts.jsonl").string()), options);
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
  check_resumes(Grpo{}, Full{}, data, 9, {1, 2, 3, 4, 6});
}

TEST_CASE("Noise that would make the policy that trains another one is refused",
          "[data][rollouts]") {
  const TempFolder folder;
  const auto data = short_rollouts(folder.write("prompts.jsonl", counting_prompts(4)));
  Options options = rollout_options(1);
  options.neftune_noise_alpha = 5.0;
  CHECK_THROWS_WITH(Trainer(TalkingModel(), Grpo{}, Full{}, data, AdamW{}, options),
                    Catch::Contains("no dropout"));
  CHECK_THROWS_WITH(Trainer(TalkingModel(), Grpo{}, Lora{.rank = 2, .dropout = 0.1}, data, AdamW{},
                            rollout_options(1)),
                    Catch::Contains("no dropout"));
}
