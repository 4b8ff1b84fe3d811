// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "posttrain/data/rollouts/learnable.hpp"
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
Rollouts<LowerCase, Curriculum> weighed_rollouts(const std::string& path,
                                                 const Curriculum& curriculum = {}) {
  Rollouts<LowerCase, Curriculum> data{.path = path, .curriculum = curriculum};
  data.sampling.max_new_tokens = 6;
  data.group_size = 4;
  return data;
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
