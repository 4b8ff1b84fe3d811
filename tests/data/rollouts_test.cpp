// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "posttrain/data/rollouts/rollout_lines.hpp"
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
  std::vector<double>* validations;
  void on(const event::Evaluated& event) { validations->push_back(event.loss); }
  void on(const event::RolloutEnd& event) { rollouts->push_back(*event.rollout); }
  void on(const event::AfterStep& event) { steps->push_back(event.metrics); }
};

struct Run {
  std::vector<Rollout> rollouts;
  std::vector<StepMetrics> steps;
  std::vector<double> validations;
  std::vector<Tensor> weights;
};

template <class Data, class Loss = Grpo>
Run run(const Data& data, const Options& options, const Loss& loss = {}) {
  Run result;
  Trainer trainer(TalkingModel(), loss, Full{}, data, AdamW{}, options);
  trainer.add(Heard{&result.rollouts, &result.steps, &result.validations});
  trainer.train();
  for (const NamedTensor& tensor : trainer.state().weights()) {
    result.weights.push_back(tensor.value.clone());
  }
  return result;
}

/// The number of a sample's messages, those of its prompt left out.
struct CountsMessages {
  double operator()(const Sample& sample) const {
    return static_cast<double>(sample.messages->size()) - 1.0;
  }
};

/// Turns of one token each: every id ends one.
Rollouts<CountsMessages, TurnCounter> counted_rollouts(const std::string& path) {
  Rollouts<CountsMessages, TurnCounter> data{.path = path};
  data.sampling.max_new_tokens = 8;
  for (TokenId id = 0; id < 100; ++id) data.sampling.stop_ids.push_back(id);
  data.group_size = 4;
  return data;
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

TEST_CASE(
    "An environment's turns are trained on and measured; validations and greedy answers have it",
    "[data][rollouts][grpo]") {
  const TempFolder folder;
  auto data = counted_rollouts(folder.write("prompts.jsonl", counting_conversations(6)));
  data.validation_path = folder.write("held_out.jsonl", counting_conversations(3));
  Options options = run_of(2);
  options.validation_frequency = 1;
  Grpo remax;
  remax.advantage = {.baseline = Baseline::greedy, .scale = AdvantageScale::none};
  const Run turns = run(data, options, remax);
  REQUIRE(turns.steps.size() == 2);
  CHECK(metric(turns.steps[0], "turns/mean") == 3.0);
  CHECK(metric(turns.steps[0], "tools/call_frequency") == 2.0);
  CHECK(metric(turns.steps[0], "tools/failure_frequency") == 0.5);
  CHECK(metric(turns.steps[0], "reward") == 5.0);  // answer, reply, answer, reply, answer
  CHECK(metric(turns.steps[0], "completions/mean_length") == 3.0);
  CHECK(metric(turns.steps[0], "ratio/mean") == 1.0);
  CHECK(turns.validations == std::vector<double>{-5.0, -5.0});
  for (const RolloutGroup& group : turns.rollouts[0].groups) {
    CHECK(group.greedy_reward == 5.0);
    for (const RolloutSample& sample : group.samples) {
      CHECK(sample.finish == FinishReason::stop_id);
      CHECK(sample.trained_tokens() == 3);
      CHECK(std::ssize(sample.ids) > 3);
    }
    CHECK(data::rollout_group_from(data::to_json(group), "line") == group);
  }
  data.max_turns = 2;
  const Run cut = run(data, run_of(1));
  CHECK(metric(cut.steps[0], "turns/mean") == 2.0);
  CHECK(metric(cut.steps[0], "completions/clipped_ratio") == 1.0);
  CHECK(metric(cut.steps[0], "reward") == 3.0);

  const Run single = run(short_rollouts((folder / "prompts.jsonl").string()), run_of(1));
  for (const auto& [name, value] : single.steps[0].loss_metrics) {
    CHECK(name != "turns/mean");
    CHECK(name != "tools/call_frequency");
  }
}

TEST_CASE("A conversation fits the micro-batch, whatever an environment says", "[data][rollouts]") {
  const TempFolder folder;
  auto data = counted_rollouts(folder.write("prompts.jsonl", counting_conversations(6)));
  Options options = run_of(1);
  // "u:n0=<eos>a:" has eight ids, a reply "<eos>t:1<eos>a:" seven.
  for (const auto& [tokens, turns] : {std::pair(8 + 8 + 1, 2.0), std::pair(8 + 8 + 8 + 1, 3.0)}) {
    options.max_tokens_per_batch = tokens;
    const Run run_of_turns = run(data, options);
    CHECK(metric(run_of_turns.steps[0], "turns/mean") == turns);
    for (const RolloutGroup& group : run_of_turns.rollouts[0].groups) {
      for (const RolloutSample& sample : group.samples) {
        CHECK(sample.truncated() == (turns < 3.0));
        CHECK(std::ssize(group.prompt) + std::ssize(sample.ids) <= tokens);
      }
    }
  }
}

TEST_CASE("A run with an environment that is resumed is the run that was not interrupted",
          "[data][rollouts][checkpoints]") {
  const TempFolder folder;
  auto data = counted_rollouts(folder.write("prompts.jsonl", counting_conversations(10)));
  data.sampling.stop_ids.resize(40);  // turns of several lengths
  data.sampling.max_new_tokens = 20;
  data.rollout_size = 16;
  data.num_iterations = 2;
  const Run whole = run(data, run_of(6));
  for (const std::int64_t stop : {1, 3, 4}) {
    Options options = run_of(stop);
    const std::string place = (folder / ("run-" + std::to_string(stop))).string();
    options.run_dir = place;
    run(data, options);
    options.max_steps = 6;
    const Run rest = run(data, options);
    CHECK(rest.steps.size() == static_cast<std::size_t>(6 - stop));
    CHECK(same(rest.weights, whole.weights));
  }
}

TEST_CASE("What an environment cannot do is refused in one line", "[data][rollouts]") {
  const TempFolder folder;
  const auto refused = [&](const auto& data, const std::string& part) {
    CHECK_THROWS_WITH(run(data, run_of(1)), Catch::Contains(part));
  };
  auto data = counted_rollouts(folder.write("texts.jsonl", counting_prompts(4)));
  refused(data, "texts.jsonl:1: expected a conversation, which the environment goes on with");
  data.path = folder.write("prompts.jsonl", counting_conversations(4));
  data.max_turns = 0;
  refused(data, "Rollouts.max_turns must be at least 1");
  data.max_turns = 3;
  data.generator.exact = true;
  refused(data, "Rollouts.generator.exact is for answers of one turn");
  data.generator.exact = false;
  data.environment.breaks = true;
  refused(data, "the environment failed: the counter is broken; hint: on_environment_error");
  data.on_environment_error = OnError::zero;
  const Run goes_on = run(data, run_of(1));
  CHECK(metric(goes_on.steps[0], "reward") == 0.0);
  CHECK(metric(goes_on.steps[0], "tools/failure_frequency") == 1.0);
  auto single = short_rollouts((folder / "prompts.jsonl").string());
  single.max_turns = 2;
  refused(single, "Rollouts.max_turns and on_environment_error are for an environment");
}
