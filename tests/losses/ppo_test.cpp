// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/ppo.hpp"

#include <string>
#include <vector>

#include "posttrain/concepts/check.hpp"
#include "posttrain/concepts/rollout.hpp"
#include "posttrain/models/reward_decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/qlora.hpp"
#include "posttrain/params/with_critic.hpp"
#include "posttrain/params/with_critic_model.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/trainer.hpp"
#include "support/critic_check.hpp"
#include "support/loss_curve.hpp"
#include "support/rollout_model.hpp"
#include "support/small_run.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(check_loss<Ppo>() && EstimatesAdvantages<Ppo> && needs_critic<Ppo>());
static_assert(!needs_reference<Ppo>() && needs_reference<Ppo::With<Kl>>());

namespace {

struct Curve {
  std::vector<StepMetrics>* steps;
  void on(const event::AfterStep& event) { steps->push_back(event.metrics); }
};

template <class Loss, class Params>
std::vector<StepMetrics> learned(const Loss& loss, const Params& params, const Options& options,
                                 std::int64_t rollout_size = 0) {
  const TempFolder folder;
  auto data = short_rollouts(folder.write("prompts.jsonl", counting_prompts(6)));
  data.rollout_size = rollout_size;
  std::vector<StepMetrics> steps;
  Trainer trainer(TalkingModel(), loss, params, data, AdamW{}, options);
  trainer.add(Curve{&steps});
  trainer.train();
  return steps;
}

Options run_of(std::int64_t steps) {
  Options options = small_run(steps, 16, 200);
  options.lr_scheduler = {.type = optim::LrScheduler::constant};
  return options;
}

}  // namespace

TEST_CASE("PPO is the clipped term and the critic's error over the same tokens", "[losses][ppo]") {
  const Ppo loss{.value_coefficient = 0.3};
  const Rollout rollout = criticised_rollout();
  const Advantages advantages = loss.advantages(rollout);
  std::vector<RolloutItem> items;
  for (std::size_t g = 0; g < 2; ++g) {
    for (std::size_t s = 0; s < 3; ++s) {
      items.push_back({&rollout.groups[g], &rollout.groups[g].samples[s], &advantages[g][s],
                       0.5F + static_cast<float>(s), 1.0});
    }
  }
  const RolloutBatch batch = pack_rollout(items, 1.0);
  Scores scores;
  scores.logp = batch.old_logps + 0.1 * at::arange(batch.predictions(), at::kFloat).sin();
  scores.entropy = -scores.logp;
  scores.value = batch.old_values + 0.4 * at::arange(batch.predictions(), at::kFloat).cos();
  const double policy = loss.policy.sum(scores, batch, {}).item<double>();
  const double critic = (value_error(scores.value, batch, 0.2) * batch.weight).sum().item<double>();
  CHECK(critic > 0.1);
  CHECK(loss.sum(scores, batch, {}).item<double>() == Approx(policy + 0.3 * critic));
  CHECK(loss.needs().value);
  CHECK(loss.rollout_needs().values);
  CHECK(loss.rollout_needs().least_group == 1);
}

TEST_CASE("The first rollouts may train the critic alone", "[losses][ppo]") {
  const Ppo loss{.critic_warmup = 1};
  Rollout rollout = criticised_rollout();
  const auto learns = [&] {
    bool any = false;
    for (const auto& group : loss.advantages(rollout)) {
      for (const SampleAdvantage& sample : group) {
        CHECK_FALSE(sample.returns.empty());
        for (const float advantage : sample.advantage) any = any || advantage != 0.0F;
      }
    }
    return any;
  };
  rollout.number = 0;
  CHECK_FALSE(learns());
  rollout.number = 1;
  CHECK(learns());
}

TEST_CASE("What PPO cannot mean is refused", "[losses][ppo]") {
  Ppo loss;
  loss.policy.advantage.scale = AdvantageScale::tokens;
  CHECK_THROWS_WITH(loss.validate(), Catch::Contains("Ppo.gae estimates advantages"));
  loss = {.value_coefficient = -1.0};
  CHECK_THROWS_WITH(loss.validate(), Catch::Contains("value_coefficient"));
  loss = {.value_clip = -1.0};
  CHECK_THROWS_WITH(loss.validate(), Catch::Contains("value_clip"));
  loss = {.critic_warmup = 3};
  loss.policy.entropy_coefficient = 0.01;
  CHECK_THROWS_WITH(loss.validate(), Catch::Contains("no entropy bonus beside"));
  CHECK_THROWS_WITH(learned(Ppo{}, WithCritic{Lora{.rank = 2, .dropout = 0.1}}, run_of(1)),
                    Catch::Contains("no dropout"));
}

TEST_CASE("A policy learns from its critic", "[losses][ppo][trainer]") {
  const auto check = [](const std::vector<StepMetrics>& steps) {
    const double before = metric(steps.front(), "reward"), after = metric(steps.back(), "reward");
    CAPTURE(before, after);
    CHECK(after > before + 0.3);
    // The ratio is 1 where a rollout begins, and the critic begins at what it was.
    CHECK(metric(steps.front(), "ratio/max") == 1.0);
    CHECK(metric(steps.front(), "value/clip_ratio") == 0.0);
    const double variance =
        metric(steps.back(), "return/mean_square") -
        metric(steps.back(), "return/mean") * metric(steps.back(), "return/mean");
    CHECK(metric(steps.back(), "value/error") < variance + 0.2);
  };
  SECTION("on the trunk") {
    // [snippet: ppo]
    const Ppo loss{.gae = {.gamma = 1.0, .lambda = 0.95}, .value_coefficient = 0.1};
    const WithCritic params{Full{}};
    // [/snippet]
    check(learned(loss, params, run_of(25)));
  }
  SECTION("a model of its own, two updates of each rollout") {
    models::DecoderConfig config = tiny_config();
    config.vocab_size = 100;
    const models::RewardDecoder critic(config, {.device = test_device(), .seed = 5});
    Options options = run_of(80);
    options.effective_batch_size = 8;
    // [snippet: critics]
    const WithCriticModel params{Full{}, critic, Full{}};
    // [/snippet]
    check(learned(Ppo{}, params, options, 16));
  }
}

TEST_CASE("PPO with a penalty of a reference in the rewards", "[losses][ppo][trainer]") {
  const auto steps = learned(Ppo::With<Kl>{}, WithFrozenReference{WithCritic{Full{}}}, run_of(3));
  CHECK(metric(steps.front(), "kl") == Approx(0.0).margin(1e-6));
  CHECK(metric(steps.back(), "kl") != 0.0);
  CHECK(learned(Ppo::With<Kl>{}, WithCritic{Lora{.rank = 2}}, run_of(2)).size() == 2);
  CHECK(learned(Ppo::With<Kl>{}, WithCritic{QLora{.rank = 2}}, run_of(2)).size() == 2);
  CHECK(learned(Ppo{}, WithCritic{Osft{}}, run_of(2)).size() == 2);
}

TEST_CASE("A critic is part of a run that is resumed in the middle of a rollout",
          "[losses][ppo][checkpoints]") {
  const TempFolder folder;
  auto data = short_rollouts(folder.write("prompts.jsonl", counting_prompts(10)));
  data.rollout_size = 32;
  data.num_iterations = 2;
  const auto run = [&](const std::string& place, std::int64_t steps) {
    Options options = run_of(steps);
    options.run_dir = place;
    Trainer trainer(TalkingModel(), Ppo{}, WithCritic{Full{}}, data, AdamW{}, options);
    trainer.train();
    std::vector<Tensor> all;
    for (const ParameterGroup& group : trainer.state().trainable()) all.push_back(group.master);
    return all;
  };
  const auto whole = run("", 6);
  const std::string place = (folder / "run").string();
  run(place, 3);
  const auto rest = run(place, 6);
  REQUIRE(rest.size() == whole.size());
  for (std::size_t i = 0; i < rest.size(); ++i) CHECK(at::equal(rest[i], whole[i]));
}
