// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/online_pairs.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "posttrain/data/rollouts/learnable.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/hinge.hpp"
#include "posttrain/losses/simpo.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/rewards/unjudged.hpp"
#include "support/catch.hpp"
#include "support/loss_curve.hpp"
#include "support/rollout_model.hpp"
#include "support/rollout_run.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

OnlinePairs<LowerCase> short_pairs(const std::string& path) {
  return {.rollouts = short_rollouts(path)};
}

/// Every answer is worth the same.
struct AllAlike {
  double operator()(const Sample&) const { return 0.25; }
};

}  // namespace

TEST_CASE("Pairs of what the policy writes train with losses on pairs", "[data][rollouts]") {
  const TempFolder folder;
  const auto data = short_pairs(folder.write("prompts.jsonl", counting_prompts(6)));
  Options options = rollout_options(40);
  options.effective_batch_size = 16;
  const auto check = [&](const auto& loss, const auto& params) {
    const RolloutRun run = run_rollouts(loss, params, data, options);
    REQUIRE(run.steps.size() == 40);
    REQUIRE(run.rollouts.size() == 40);
    for (std::size_t i = 0; i < run.steps.size(); ++i) {
      const StepMetrics& step = run.steps[i];
      const auto groups = static_cast<double>(run.rollouts[i].groups.size());
      CHECK(static_cast<double>(step.num_samples) / 2.0 == groups - metric(step, "pairs/ties"));
      CHECK((step.grad_norm > 0.0) == (step.num_samples > 0));
      if (step.num_samples > 0) CHECK(metric(step, "pairs/reward_margin") > 0.0);
    }
    const double before = metric(run.steps.front(), "reward"),
                 after = metric(run.steps.back(), "reward");
    CAPTURE(before, after);
    CHECK(after > before + 0.1);
    return run;
  };
  const RolloutRun dpo = check(Dpo{}, Lora{.rank = 4, .alpha = 8.0});
  // The reference of adapters is the model without them: at first the policy itself.
  CHECK(dpo.steps.front().loss == Approx(std::log(2.0)).margin(1e-6));
  check(Hinge{}, WithFrozenReference{Full{}});
  check(SimPo{}, Full{});
}

TEST_CASE("A step's pairs are the best and the worst of its groups, at their temperature",
          "[data][rollouts]") {
  const TempFolder folder;
  auto data = short_pairs(folder.write("prompts.jsonl", counting_prompts(6)));
  data.rollouts.sampling.temperature = 0.7;
  const AskedPolicy<SimPo> policy;
  auto stream = policy.open(data);
  CHECK(stream.steps_per_epoch() == 3);
  std::size_t pairs = 0;
  while (const auto batches = stream.next(policy.view)) {
    REQUIRE(stream.new_rollout() != nullptr);
    const Rollout& rollout = *stream.new_rollout();
    CHECK(rollout.temperature == 0.7);
    for (const PairBatch& batch : *batches) {
      CHECK(batch.temperature == 0.7);
      for (std::int64_t i = 0; i < batch.items(); ++i, ++pairs) {
        const auto at = static_cast<std::size_t>(2 * i);
        for (const RolloutGroup& group : rollout.groups) {
          if (group.sample != batch.samples[at]) continue;
          const AnswerPair pair = data::BestAndWorst::items(group).at(0);
          for (const Sequence* answer : {&pair.chosen, &pair.rejected}) {
            const std::size_t s = at + (answer == &pair.chosen ? 0 : 1);
            const Tensor targets =
                batch.target.narrow(0, batch.offsets[s], batch.offsets[s + 1] - batch.offsets[s]);
            CHECK(at::equal(targets.to(at::kInt), at::tensor(answer->ids, at::kInt)));
          }
        }
      }
    }
  }
  CHECK(pairs > 0);
}

TEST_CASE("Groups of equal rewards give no pair, and a step without a pair changes nothing",
          "[data][rollouts]") {
  const TempFolder folder;
  const OnlinePairs data{
      short_rollouts<AllAlike>(folder.write("prompts.jsonl", counting_prompts(6)))};
  const Options options = rollout_options(3);
  const RolloutRun run = run_rollouts(SimPo{}, Full{}, data, options);
  REQUIRE(run.steps.size() == 3);
  for (const StepMetrics& step : run.steps) {
    CHECK(metric(step, "pairs/ties") == 2.0);
    CHECK(metric(step, "reward") == 0.25);
    CHECK(step.num_samples == 0);
    CHECK(step.grad_norm == 0.0);
  }
  Trainer untrained(TalkingModel(), SimPo{}, Full{}, data, AdamW{}, options);
  RolloutRun before;
  for (const NamedTensor& tensor : untrained.state().weights()) {
    before.weights.push_back(tensor.value);
  }
  CHECK(same_weights(run, before));
}

TEST_CASE("Ten rollouts in a row without a pair end the run with one line", "[data][rollouts]") {
  const TempFolder folder;
  const std::string path = folder.write("prompts.jsonl", counting_prompts(2));
  const OnlinePairs data{short_rollouts<AllAlike>(path)};
  CHECK_THROWS_WITH(run_rollouts(SimPo{}, Full{}, data, rollout_options(11)),
                    Catch::StartsWith("10 rollouts in a row had nothing to learn from: no group "
                                      "had rewards that differ; hint: is the task too hard"));
  CHECK(run_rollouts(SimPo{}, Full{}, data, rollout_options(9)).steps.size() == 9);
  const OnlinePairs unjudged{short_rollouts<Unjudged>(path)};
  CHECK_THROWS_WITH(run_rollouts(SimPo{}, Full{}, unjudged, rollout_options(11)),
                    Catch::Contains("nothing to learn from: no sample had a reward; hint"));
}

TEST_CASE("A run on pairs that is resumed in the middle of a rollout is the uninterrupted one",
          "[data][rollouts][checkpoints][C25]") {
  const TempFolder folder;
  auto data = short_pairs(folder.write("prompts.jsonl", counting_prompts(10)));
  data.rollouts.rollout_size = 16;
  data.rollouts.num_iterations = 2;
  check_resumes(Dpo{}, Lora{.rank = 2}, data, 9, {1, 2, 3, 4, 6});
}

TEST_CASE("Held-out prompts are answered and judged as those of rollouts", "[data][rollouts]") {
  const TempFolder folder;
  auto data = short_pairs(folder.write("prompts.jsonl", counting_prompts(8)));
  data.rollouts.validation_samples = 2;
  Options options = rollout_options(2);
  options.validation_split = 0.25;
  const RolloutRun run = run_rollouts(SimPo{}, Full{}, data, options);
  CHECK(run.val_loss <= 0.0);
  CHECK(run.val_loss >= -1.0);
}

TEST_CASE("Pairs that cannot be are refused before anything is loaded or written",
          "[data][rollouts]") {
  const TempFolder folder;
  auto data = short_pairs(folder.write("prompts.jsonl", counting_prompts(4)));
  data.rollouts.group_size = 1;
  CHECK_THROWS_WITH(data.validate(), Catch::Contains("a pair is two samples"));
  data.rollouts.group_size = 4;
  CHECK_NOTHROW(data.validate());
  auto cut = data;
  cut.rollouts.sampling.top_k = 5;
  cut.rollouts.mirror_support = true;
  CHECK_THROWS_WITH(cut.validate(), Catch::Contains("pairs are scored among all ids"));
  data.rollouts.num_iterations = 0;
  CHECK_THROWS_WITH(data.validate(), Catch::Contains("Rollouts.num_iterations"));
  data.rollouts.num_iterations = 1;
  Options options = rollout_options(1);
  options.max_tokens_per_batch = 14;  // "n0=" with one answer of six tokens would fit
  CHECK_THROWS_WITH(Trainer(TalkingModel(), SimPo{}, Full{}, data, AdamW{}, options),
                    Catch::Contains("two answers of max_new_tokens = 6"));
}

TEST_CASE("Pairs are made of rollouts of any verifier and curriculum", "[data][rollouts]") {
  const TempFolder folder;
  const auto rollouts = short_rollouts<LowerCase, NoEnvironment, Learnable>(
      folder.write("prompts.jsonl", counting_prompts(6)));
  const RolloutRun run = run_rollouts(SimPo{}, Full{}, OnlinePairs{rollouts}, rollout_options(4));
  CHECK(run.rollouts.size() == 4);

  const OnlinePairs pairs{short_rollouts("prompts.jsonl")};
  CHECK(pairs.rollouts.group_size == 4);
  CHECK(describe(pairs).find(".group_size = 4") != std::string::npos);
}
