// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/best_of_group.hpp"

#include <limits>
#include <string>
#include <vector>

#include "posttrain/losses/next_token.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/osft.hpp"
#include "support/catch.hpp"
#include "support/loss_curve.hpp"
#include "support/rollout_model.hpp"
#include "support/rollout_run.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

BestOfGroup<LowerCase> best_of(const std::string& path) {
  return {.rollouts = short_rollouts(path)};
}

}  // namespace

TEST_CASE("The best of what the policy writes trains with losses on tokens", "[data][rollouts]") {
  const TempFolder folder;
  auto data = best_of(folder.write("prompts.jsonl", counting_prompts(6)));
  data.keep = 2;
  Options options = rollout_options(25);
  options.effective_batch_size = 16;
  const auto check = [&](const auto& params) {
    const RolloutRun run = run_rollouts(NextToken{}, params, data, options);
    REQUIRE(run.steps.size() == 25);
    for (const StepMetrics& step : run.steps) {
      CHECK(step.grad_norm > 0.0);
      CHECK(metric(step, "best/sequences") == static_cast<double>(step.num_samples));
      CHECK(metric(step, "best/groups_without") == 0.0);
      CHECK(metric(step, "best/reward") >= metric(step, "reward"));
    }
    const double before = metric(run.steps.front(), "reward"),
                 after = metric(run.steps.back(), "reward");
    CAPTURE(before, after);
    CHECK(after > before + 0.1);
  };
  check(Osft{.unfreeze_rank_ratio = 0.5});
  check(Full{});
}

TEST_CASE("Sequences are scored at the temperature that they were drawn at",
          "[data][rollouts][C19]") {
  const TempFolder folder;
  auto data = best_of(folder.write("prompts.jsonl", counting_prompts(6)));
  data.rollouts.sampling.temperature = 0.7;
  const AskedPolicy<NextToken> policy;
  auto stream = policy.open(data);
  const auto batches = stream.next(policy.view);
  REQUIRE(batches);
  REQUIRE(batches->size() == 1);
  const TokenBatch batch = batches->front().to(test_device());
  CHECK(batch.temperature == 0.7);
  const Tensor rows = at::index_select(policy.model.hidden(policy.state, batch), 0, batch.row);
  const Tensor wanted = (policy.model.logits(policy.state, rows) / 0.7)
                            .log_softmax(1)
                            .gather(1, batch.target.unsqueeze(1))
                            .squeeze(1);
  CHECK(policy.view.scores(batches->front()).logp.allclose(wanted, 1e-5, 1e-5));
  // They are what the sampler said of its draws.
  std::vector<float> sampled;
  for (const std::int64_t index : batches->front().samples) {
    for (const RolloutGroup& group : stream.new_rollout()->groups) {
      if (group.sample != index) continue;
      for (const RolloutSample& sample : group.samples) {
        const Sequence best = data::BestSamples{}.items(group).at(0);
        TokenIds whole = group.prompt;
        whole.insert(whole.end(), sample.ids.begin(), sample.ids.end());
        if (whole != best.ids) continue;
        sampled.insert(sampled.end(), sample.sampled_logps.begin(), sample.sampled_logps.end());
        break;
      }
    }
  }
  CHECK(wanted.to(at::kCPU).allclose(at::tensor(sampled, at::kFloat), 1e-4, 1e-4));
}

TEST_CASE("Where no sample is good enough nothing is trained", "[data][rollouts]") {
  const TempFolder folder;
  auto data = best_of(folder.write("prompts.jsonl", counting_prompts(6)));
  data.least_reward = 1.5;
  const RolloutRun run = run_rollouts(NextToken{}, Full{}, data, rollout_options(2));
  for (const StepMetrics& step : run.steps) {
    CHECK(metric(step, "best/groups_without") == 2.0);
    CHECK(step.num_samples == 0);
    CHECK(step.grad_norm == 0.0);
  }
  const RolloutRun twice = run_rollouts(NextToken{}, Full{}, data, rollout_options(1));
  CHECK(same_weights(run, twice));
  data.rollouts.sampling.max_new_tokens = 1;
  CHECK_THROWS_WITH(run_rollouts(NextToken{}, Full{}, data, rollout_options(11)),
                    Catch::StartsWith("10 rollouts in a row had nothing to learn from: no sample "
                                      "had a reward of at least least_reward"));
}

TEST_CASE(
    "A run on best samples that is resumed in the middle of a rollout is the uninterrupted one",
    "[data][rollouts][checkpoints][C25]") {
  const TempFolder folder;
  auto data = best_of(folder.write("prompts.jsonl", counting_prompts(10)));
  data.rollouts.rollout_size = 16;
  data.rollouts.num_iterations = 2;
  data.keep = 3;
  check_resumes(NextToken{}, Full{}, data, 9, {1, 2, 3, 4, 6});
}

TEST_CASE("How many samples are kept is checked", "[data][rollouts]") {
  BestOfGroup<LowerCase> data = best_of("prompts.jsonl");
  data.keep = 0;
  CHECK_THROWS_WITH(data.validate(), Catch::Contains("BestOfGroup.keep must be from 1"));
  data.keep = 5;
  CHECK_THROWS_WITH(data.validate(), Catch::Contains("BestOfGroup.keep must be from 1"));
  data.keep = 4;
  CHECK_NOTHROW(data.validate());
  data.least_reward = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(data.validate(), Catch::Contains("least_reward must be a number"));
  CHECK(BestOfGroup{short_rollouts("prompts.jsonl")}.keep == 1);
  BestOfGroup<LowerCase> cut = best_of("prompts.jsonl");
  cut.rollouts.sampling.top_k = 5;
  cut.rollouts.mirror_support = true;
  CHECK_THROWS_WITH(cut.validate(), Catch::Contains("sequences are scored among all ids"));
}
