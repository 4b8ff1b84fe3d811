// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "posttrain/data/rollouts/learnable.hpp"
#include "posttrain/data/rollouts/rollout_lines.hpp"
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

namespace {

// [snippet: curriculum]
/// Prompts that are answered badly come first; those that were always right, no more.
struct Weakest {
  double operator()(std::int64_t, std::span<const double> rewards) const {
    return rewards.empty() ? 1.0 : 1.0 - rewards.back();
  }
};
// [/snippet]

/// Keeps what it was asked; every record alike.
struct Asked {
  static inline std::map<std::int64_t, std::vector<double>> rewards_of;
  double operator()(std::int64_t record, std::span<const double> rewards) const {
    rewards_of[record].assign(rewards.begin(), rewards.end());
    return 1.0;
  }
};

struct Every {
  std::int64_t third = 0;  // of three records, the one that is drawn
  double operator()(std::int64_t record, std::span<const double>) const {
    return record % 3 == third ? 1.0 : 0.0;
  }
};

template <class Curriculum>
Rollouts<LowerCase, NoEnvironment, Curriculum> weighed_rollouts(const std::string& path,
                                                                const Curriculum& curriculum = {}) {
  auto data = short_rollouts<LowerCase, NoEnvironment, Curriculum>(path);
  data.curriculum = curriculum;
  return data;
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

template <class Data, class Loss = Grpo>
RolloutRun run(const Data& data, const Options& options, const Loss& loss = {}) {
  return run_rollouts(loss, Full{}, data, options);
}

}  // namespace

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
          "[data][rollouts][checkpoints][C25]") {
  const TempFolder folder;
  folder.write("prompts.jsonl", counting_prompts(10));
  Rollouts<LowerCase> data = short_rollouts((folder / "prompts.jsonl").string());
  data.rollout_size = 16;
  data.num_iterations = 2;
  check_resumes(Grpo{}, Full{}, data, 9, {1, 2, 3, 4, 6});
}

TEST_CASE("A run moves the coefficient of entropy by what it measures, and goes on with it",
          "[data][rollouts][grpo][checkpoints][C25]") {
  const TempFolder folder;
  const auto data = short_rollouts(folder.write("prompts.jsonl", counting_prompts(10)));
  std::vector<double> entropies;
  for (const StepMetrics& step : run_rollouts(Grpo{}, Full{}, data, rollout_options(9)).steps) {
    entropies.push_back(metric(step, "entropy"));
  }
  std::sort(entropies.begin(), entropies.end());
  const double target = entropies[4];
  const Grpo loss{.entropy_coefficient = 0.0625,
                  .entropy_control = {.target = target, .change = 0.03125, .most = 0.125}};
  const RolloutRun run = run_rollouts(loss, Full{}, data, rollout_options(9));
  double coefficient = 0.0625, applied = 0.0;
  int acting = 0;
  for (const StepMetrics& step : run.steps) {
    CHECK(metric(step, "entropy_coef") == applied);
    acting += applied > 0.0;
    const double entropy = metric(step, "entropy");
    coefficient = entropy <= target ? std::min(coefficient + 0.03125, 0.125)
                                    : std::max(coefficient - 0.03125, 0.0);
    applied = entropy <= target ? coefficient : 0.0;
  }
  CHECK(acting > 1);
  CHECK(acting < 9);
  check_resumes(loss, Full{}, data, 9, {1, 3, 6});
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

TEST_CASE("What top-k, top-p and min-p leave of a draw is what it is trained among",
          "[data][rollouts][grpo][checkpoints][C19][C25]") {
  const TempFolder folder;
  Rollouts<LowerCase> data = short_rollouts(folder.write("prompts.jsonl", counting_prompts(6)));
  // [snippet: mirror]
  data.sampling.temperature = 0.8;
  data.sampling.top_k = 12;
  data.sampling.top_p = 0.9;
  data.sampling.min_p = 0.02;
  data.mirror_support = true;
  // [/snippet]
  data.rollout_size = 16;
  data.num_iterations = 2;
  const auto loss = Grpo::With<Kl>{.kl = {.coefficient = 0.01}};
  const RolloutRun mirrored = run_rollouts(loss, Lora{.rank = 2}, data, rollout_options(4));
  REQUIRE(mirrored.rollouts.size() == 1);
  std::int64_t cut = 0;
  for (const RolloutGroup& group : mirrored.rollouts[0].groups) {
    for (const RolloutSample& sample : group.samples) {
      REQUIRE(sample.support.sizes.size() == sample.ids.size());
      REQUIRE(sample.old_logps.size() == sample.ids.size());
      auto next = sample.support.ids.begin();
      for (std::size_t i = 0; i < sample.ids.size(); ++i) {
        const auto size = sample.support.sizes[i];
        CHECK(size <= 12);
        CHECK(std::binary_search(next, next + size, sample.ids[i]));
        next += size;
        cut += size;
        // Drawn and scored among the same ids, by the policy and by its reference, which it is yet.
        CHECK(sample.old_logps[i] == Approx(sample.sampled_logps[i]).margin(1e-5));
        CHECK(sample.ref_logps[i] == Approx(sample.sampled_logps[i]).margin(1e-5));
      }
    }
  }
  CHECK(metric(mirrored.steps[0], "ratio/mean") == 1.0);
  CHECK(metric(mirrored.steps[0], "kl") == Approx(0.0).margin(1e-6));
  CHECK(metric(mirrored.steps[0], "sampling/max_support") <= 12.0);
  CHECK(metric(mirrored.steps[0], "sampling/mean_support") > 1.0);
  CHECK(metric(mirrored.steps[0], "entropy") < std::log(12.0));
  CHECK(cut > 0);
  check_resumes(loss, Lora{.rank = 2}, data, 6, {1, 3});
}

TEST_CASE("Sampling from another distribution than is trained is refused", "[data][rollouts]") {
  const auto refuses = [](const auto& change, const std::string& part) {
    auto data = short_rollouts("prompts.jsonl");
    change(data);
    CHECK_THROWS_WITH(data.validate(), Catch::Contains(part));
  };
  refuses([](auto& data) { data.sampling.top_k = 5; }, "hint: mirror_support = true");
  refuses([](auto& data) { data.sampling.top_p = 0.5; }, "hint: mirror_support = true");
  refuses([](auto& data) { data.sampling.min_p = 0.5; }, "hint: mirror_support = true");
  refuses([](auto& data) { data.mirror_support = true; }, "none of them is set");
  for (const bool mirror : {false, true}) {
    const auto with = [&](const auto& change) {
      refuses(
          [&](auto& data) {
            data.mirror_support = mirror;
            data.sampling.top_k = mirror ? 5 : 0;
            change(data.sampling);
          },
          "min_new_tokens and penalties change it, with mirror_support, too");
    };
    with([](Sampling& sampling) { sampling.repetition_penalty = 1.1; });
    with([](Sampling& sampling) { sampling.presence_penalty = 1.1; });
    with([](Sampling& sampling) { sampling.frequency_penalty = 1.1; });
    with([](Sampling& sampling) { sampling.min_new_tokens = 1; });
  }
  refuses([](auto& data) { data.sampling.support = true; }, "mirror_support records");
}

TEST_CASE("A closure judges as any verifier does", "[data][rollouts]") {
  const TempFolder folder;
  const std::string path = folder.write("prompts.jsonl", counting_prompts(2));
  // [snippet: closure]
  auto length = [scale = 0.5](const Sample& sample) {
    return scale * static_cast<double>(sample.ids.size());
  };
  Rollouts<decltype(length)> data{.path = path, .verifier = length};
  // [/snippet]
  CHECK_THROWS_WITH((Rollouts<decltype(length)>{.path = path}),
                    Catch::Contains("as a closure, to be given"));
  data.sampling.max_new_tokens = 6;
  data.group_size = 4;
  const RolloutRun judged = run(data, rollout_options(1));
  REQUIRE(judged.rollouts.size() == 1);
  for (const RolloutSample& sample : judged.rollouts[0].groups[0].samples) {
    CHECK(sample.reward == 0.5 * static_cast<double>(sample.ids.size()));
  }
}

TEST_CASE("A curriculum sees each record's mean rewards, visit by visit", "[data][rollouts]") {
  const TempFolder folder;
  const auto data = weighed_rollouts<Asked>(folder.write("prompts.jsonl", counting_prompts(5)));
  Asked::rewards_of.clear();
  // Rollouts of 2, 2 and 1 groups for each epoch; within one a record is asked before its visit.
  const RolloutRun run = run_rollouts(Grpo{}, Full{}, data, rollout_options(8));
  REQUIRE(run.rollouts.size() == 8);
  std::map<std::int64_t, std::vector<double>> expected;
  for (std::size_t i = 0; i < 6; ++i) {
    for (const RolloutGroup& group : run.rollouts[i].groups) {
      expected[group.sample].push_back(data::mean_reward(group).value());
    }
  }
  CHECK(expected.size() == 5);
  CHECK(Asked::rewards_of == expected);
}

TEST_CASE("Records of weight 0 are not drawn, and the others are, epoch after epoch",
          "[data][rollouts]") {
  const TempFolder folder;
  const auto data =
      weighed_rollouts(folder.write("prompts.jsonl", counting_prompts(9)), Every{.third = 1});
  const RolloutRun run = run_rollouts(Grpo{}, Full{}, data, rollout_options(6));
  std::vector<std::int64_t> records;
  for (const Rollout& rollout : run.rollouts) {
    for (const RolloutGroup& group : rollout.groups) records.push_back(group.sample);
  }
  REQUIRE(records.size() == 9);  // epochs of 2 and 1 groups
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    std::set<std::int64_t> of_epoch(records.begin() + static_cast<std::ptrdiff_t>(3 * epoch),
                                    records.begin() + static_cast<std::ptrdiff_t>(3 * epoch + 3));
    CHECK(of_epoch == std::set<std::int64_t>{1, 4, 7});
  }
  Options options = rollout_options(0);
  CHECK_THROWS_WITH(Trainer(TalkingModel(), Grpo{}, Full{}, data, AdamW{}, options),
                    Catch::Contains("expected Options.max_steps"));
  CHECK_THROWS_WITH(
      run_rollouts(Grpo{}, Full{},
                   weighed_rollouts((folder / "prompts.jsonl").string(), Every{.third = 3}),
                   rollout_options(1)),
      Catch::Contains("got 0 for all 9"));
}

TEST_CASE("A run with a curriculum that is resumed is the run that was not interrupted",
          "[data][rollouts][checkpoints][C25]") {
  const TempFolder folder;
  const std::string path = folder.write("prompts.jsonl", counting_prompts(5));
  check_resumes(Grpo{}, Full{}, weighed_rollouts<Weakest>(path), 10, {1, 2, 3, 5, 8});
  auto learnable = weighed_rollouts<Learnable>(path, {.floor = 0.1, .visits = 2});
  learnable.num_iterations = 2;
  learnable.filter = GroupFilter::informative;
  check_resumes(Grpo{}, Full{}, learnable, 10, {1, 3, 6});
  learnable.curriculum.floor = -1.0;
  CHECK_THROWS_WITH(learnable.validate(), Catch::Contains("Learnable.floor"));
}

TEST_CASE(
    "An environment's turns are trained on and measured; validations and greedy answers have it",
    "[data][rollouts][grpo]") {
  const TempFolder folder;
  auto data = counted_rollouts(folder.write("prompts.jsonl", counting_conversations(6)));
  data.validation_path = folder.write("held_out.jsonl", counting_conversations(3));
  Options options = rollout_options(2);
  options.validation_frequency = 1;
  Grpo remax;
  remax.advantage = {.baseline = Baseline::greedy, .scale = AdvantageScale::none};
  const RolloutRun turns = run(data, options, remax);
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
  const RolloutRun cut = run(data, rollout_options(1));
  CHECK(metric(cut.steps[0], "turns/mean") == 2.0);
  CHECK(metric(cut.steps[0], "completions/clipped_ratio") == 1.0);
  CHECK(metric(cut.steps[0], "reward") == 3.0);

  const RolloutRun single =
      run(short_rollouts((folder / "prompts.jsonl").string()), rollout_options(1));
  CHECK(metric(single.steps[0], "rollout/live_rows") > 1.0);
  for (const auto& [name, value] : single.steps[0].loss_metrics) {
    CHECK(name != "turns/mean");
    CHECK(name != "tools/call_frequency");
  }
}

TEST_CASE("A step's metrics have TRL's names, and ours beside them", "[data][rollouts][grpo]") {
  const TempFolder folder;
  auto data = counted_rollouts(folder.write("prompts.jsonl", counting_conversations(6)));
  Grpo::With<Kl> loss;
  loss.importance.level = ImportanceLevel::token;
  loss.entropy_control.target = 1.0;
  const RolloutRun run = run_rollouts(loss, Lora{.rank = 2}, data, rollout_options(1));
  std::set<std::string> names;
  for (const auto& [name, value] : run.steps.at(0).loss_metrics) {
    CHECK(names.insert(name).second);
  }
  // What trl/trainer/grpo_trainer.py of TRL 1.16.0 puts into `_metrics`, without num_tokens and
  // step_time (StepMetrics has them under Training Hub's names), policy_loss (the loss without its
  // bonus), aux_loss, and those of losses of which this is none.
  std::set<std::string> expected{"reward",
                                 "reward_std",
                                 "rewards/CountsMessages/mean",
                                 "rewards/CountsMessages/std",
                                 "frac_reward_zero_std",
                                 "completions/mean_length",
                                 "completions/min_length",
                                 "completions/max_length",
                                 "completions/clipped_ratio",
                                 "completions/mean_terminated_length",
                                 "completions/min_terminated_length",
                                 "completions/max_terminated_length",
                                 "tools/call_frequency",
                                 "tools/failure_frequency",
                                 "sampling/sampling_logp_difference/mean",
                                 "sampling/sampling_logp_difference/max",
                                 "sampling/importance_sampling_ratio/min",
                                 "sampling/importance_sampling_ratio/mean",
                                 "sampling/importance_sampling_ratio/max",
                                 "kl",
                                 "entropy",
                                 "entropy_coef",
                                 "clip_ratio/low_mean",
                                 "clip_ratio/high_mean",
                                 "clip_ratio/region_mean",
                                 "clip_ratio/low_min",
                                 "clip_ratio/high_max"};
  for (const char* own :
       {"sampling/effective_sample_size", "ratio/mean", "ratio/max", "ratio/clamped", "turns/mean",
        "rollout/prompts", "rollout/rounds", "rollout/verifier_failures", "rollout/split_groups",
        "rollout/tokens_per_second", "rollout/live_rows"}) {
    expected.insert(own);
  }
  double shares = 0.0;
  for (const std::string part : {"generate", "verify", "score", "update"}) {
    expected.insert("rollout/" + part + "_seconds");
    expected.insert("rollout/" + part + "_share");
    shares += metric(run.steps[0], "rollout/" + part + "_share");
  }
  CHECK(names == expected);
  CHECK(shares == Approx(1.0));
  CHECK(metric(run.steps[0], "rollout/update_seconds") == run.steps[0].time_per_batch);
  // What is sampled is scored alike.
  CHECK(metric(run.steps[0], "sampling/sampling_logp_difference/max") < 1e-4);
  CHECK(metric(run.steps[0], "sampling/effective_sample_size") > 0.999);
}

TEST_CASE("A conversation fits the micro-batch, whatever an environment says", "[data][rollouts]") {
  const TempFolder folder;
  auto data = counted_rollouts(folder.write("prompts.jsonl", counting_conversations(6)));
  Options options = rollout_options(1);
  // "u:n0=<eos>a:" has eight ids, a reply "<eos>t:1<eos>a:" seven.
  for (const auto& [tokens, turns] : {std::pair(8 + 8 + 1, 2.0), std::pair(8 + 8 + 8 + 1, 3.0)}) {
    options.max_tokens_per_batch = tokens;
    const RolloutRun turned = run(data, options);
    CHECK(metric(turned.steps[0], "turns/mean") == turns);
    for (const RolloutGroup& group : turned.rollouts[0].groups) {
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
  check_resumes(Grpo{}, Full{}, data, 6, {1, 3, 4});
}

TEST_CASE("What an environment cannot do is refused in one line", "[data][rollouts]") {
  const TempFolder folder;
  const auto refused = [&](const auto& data, const std::string& part) {
    CHECK_THROWS_WITH(run(data, rollout_options(1)), Catch::Contains(part));
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
  const RolloutRun goes_on = run(data, rollout_options(1));
  CHECK(metric(goes_on.steps[0], "reward") == 0.0);
  CHECK(metric(goes_on.steps[0], "tools/failure_frequency") == 1.0);
  auto single = short_rollouts((folder / "prompts.jsonl").string());
  single.max_turns = 2;
  refused(single, "Rollouts.max_turns and on_environment_error are for an environment");
}
