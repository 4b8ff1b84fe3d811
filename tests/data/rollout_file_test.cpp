// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollout_file.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "posttrain/data/rollouts/rollout_lines.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/loss_curve.hpp"
#include "support/small_run.hpp"
#include "support/some_rollout.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

std::string lines_of(const Rollout& rollout) {
  std::string lines;
  for (const RolloutGroup& group : rollout.groups) lines += data::to_json(group).dump() + "\n";
  return lines;
}

std::vector<StepMetrics> train(const RolloutFile& data, std::int64_t steps = 4) {
  std::vector<StepMetrics> metrics;
  Trainer trainer(tiny_model(at::kFloat), Grpo{}, Full{}, data, AdamW{}, small_run(steps, 8, 60));
  trainer.add(StepCurve{metrics});
  trainer.train();
  return metrics;
}

}  // namespace

TEST_CASE("Recorded rollouts train, with their ids as they are", "[data][rollouts]") {
  const TempFolder folder;
  const std::string file = folder.write("r.jsonl", lines_of(some_rollout(4, 4)));
  const auto once = train({.path = file});
  REQUIRE(once.size() == 4);
  CHECK(metric(once[0], "reward") == 0.5);
  CHECK(metric(once[0], "ratio/mean") == 1.0);
  CHECK(metric(once[1], "ratio/mean") == 1.0);
  CHECK(once[0].grad_norm > 0.0);
  const auto twice = train({.path = file, .rollout_size = 16, .num_iterations = 2});
  CHECK(metric(twice[0], "ratio/mean") == 1.0);
  CHECK(metric(twice[1], "ratio/mean") != 1.0);
}

TEST_CASE("Recorded rollouts are trained among the ids that they were drawn from",
          "[data][rollouts]") {
  const TempFolder folder;
  Rollout rollout = some_rollout(2, 4);
  const auto entropy = [&] {
    const auto steps = train({.path = folder.write("r.jsonl", lines_of(rollout))}, 1);
    return metric(steps[0], "entropy");
  };
  const double among_all = entropy();
  for (RolloutGroup& group : rollout.groups) {
    for (RolloutSample& sample : group.samples) {
      for (const TokenId id : sample.ids) sample.support.add(TokenIds{id, id + 1});
    }
  }
  CHECK(among_all > std::log(2.0));
  CHECK(entropy() < std::log(2.0));
}

TEST_CASE("A file of rollouts that does not fit is an error with its line", "[data][rollouts]") {
  const TempFolder folder;
  const auto refuses = [&](const std::string& text, const std::string& part,
                           const RolloutFile& options = {}) {
    RolloutFile data = options;
    data.path = folder.write("r.jsonl", text);
    CHECK_THROWS_WITH(train(data), Catch::Contains(part));
  };
  Rollout rollout = some_rollout(4, 4);
  refuses("", "found none");
  refuses("{\"prompt_ids\": [1]}\n", "r.jsonl:1: ");
  Rollout other = rollout;
  other.groups[2].samples.pop_back();
  refuses(lines_of(other), "r.jsonl:3: expected as many samples as in the first group, 4, got 3");
  other = rollout;
  other.groups[1].samples[0].ids[0] = 50;
  refuses(lines_of(other), "r.jsonl:2: expected ids below the model's 50, got 50");
  other = rollout;
  other.groups[1].samples[0].support.add(TokenIds{1, 50});
  refuses(lines_of(other), "r.jsonl:2: expected ids below the model's 50, got 50");
  other = rollout;
  other.groups[0].prompt.resize(60, 1);
  refuses(lines_of(other), "does not fit max_tokens_per_batch = 60");
  other = rollout;
  other.groups[3].samples[1].sampled_logps.clear();
  refuses(lines_of(other), "expected \"sampled_logps\"", {.num_iterations = 2});
  other.groups[3].samples[1].sampled_logps.clear();
  CHECK_NOTHROW(train({.path = folder.write("r.jsonl", lines_of(other))}));
  refuses(lines_of(some_rollout(4, 3)), "to divide effective_batch_size");
  refuses(lines_of(some_rollout(8, 1)), "groups of at least 2 samples");
  CHECK_THROWS_WITH(RolloutFile{.path = "x"}.open({}, 8, 0), Catch::Contains("x"));
  CHECK_THROWS_WITH((RolloutFile{.path = "x", .temperature = 0.0}.validate()),
                    Catch::Contains("temperature must be positive"));
}
