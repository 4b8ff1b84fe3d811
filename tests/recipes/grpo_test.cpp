// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/grpo.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/prompt_lines.hpp"
#include "support/recipe_run.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

GrpoOptions options_of(const RecipeFolder& folder, GrpoOptions options, std::int64_t steps) {
  options.model_path = folder.model();
  if (options.data_path.empty()) options.data_path = folder.write("asked.jsonl", some_prompts(4));
  options.num_generations = 4;
  options.max_tokens = 6;
  options.temperature = 1.0;
  options.effective_batch_size = 8;
  options.learning_rate = 1e-3;
  options.max_steps = steps;
  options.progress = false;
  return options;
}

RecipeRun trained(RecipeFolder& folder, const GrpoOptions& options) {
  return folder.run(options_of(folder, options, 2), [](const GrpoOptions& o) { return grpo(o); });
}

/// Which records were asked.
struct Asked {
  std::vector<std::int64_t>* records;

  void on(const event::RolloutEnd& event) const {
    for (const RolloutGroup& group : event.rollout->groups) records->push_back(group.sample);
  }
};

/// Something that samples of a random model differ in.
double even(const Sample& sample) { return sample.completion.size() % 2 == 0 ? 1.0 : 0.0; }

}  // namespace

TEST_CASE("grpo samples, judges and trains", "[recipes][grpo]") {
  RecipeFolder folder;
  const RecipeRun run = trained(folder, {.reward_fn = even});
  REQUIRE(run.error.empty());
  CHECK(run.result.steps == 2);
  CHECK(run.numbers("reward").size() == 2);
  CHECK(run.numbers("rewards/verifier/mean") == run.numbers("reward"));
  CHECK(run.models() == std::vector<std::string>{"samples_16"});
  // Dr. GRPO: no deviation, divided by the longest completion that may be.
  const Json loss = run.record().at("loss");
  CHECK(loss.at("normalizer") == "constant");
  CHECK(loss.at("max_length") == 6);
  CHECK(contains(run.parameters().dump(), R"("use_dr_grpo":true)"));
}

TEST_CASE("grpo's losses, reference and parameters are chosen by members", "[recipes][grpo]") {
  RecipeFolder folder;
  const RecipeRun plain =
      trained(folder, {.reward_fn = "numeric", .use_dr_grpo = false, .beta = 0.01, .epsilon = 0.1});
  REQUIRE(plain.error.empty());
  CHECK(plain.record().at("loss").at("normalizer") == "sequences");
  CHECK(contains(plain.record().at("loss").dump(), ".low = 0.1, .high = 0.1"));
  CHECK(plain.numbers("kl").size() == 2);
  const RecipeRun dapo = trained(folder, {.reward_fn = even, .loss_type = "dapo", .lora_r = 2});
  REQUIRE(dapo.error.empty());
  CHECK(contains(dapo.record().at("loss").dump(), ".high = 0.28"));
  const RecipeRun cispo = trained(folder, {.reward_fn = even,
                                           .loss_type = "cispo",
                                           .epsilon_high = 3.0,
                                           .dynamic_sampling = true,
                                           .unfreeze_rank_ratio = 0.5});
  REQUIRE(cispo.error.empty());
  CHECK(contains(cispo.record().at("loss").dump(), ".cap = 3"));
  CHECK(cispo.record().at("data").at("rollouts").at("filter") == "informative");
  CHECK(trained(folder, {.reward_fn = even, .loss_type = "sapo"}).error.empty());
}

TEST_CASE("grpo draws prompts of several sources by their shares", "[recipes][grpo]") {
  RecipeFolder folder;
  const std::string few = folder.write("few.jsonl", some_prompts(2)),
                    many = folder.write("many.jsonl", some_prompts(6));
  std::vector<std::int64_t> asked;  // numbers of the records, those of the first source before 2
  const RecipeRun run =
      folder.run(options_of(folder, {.data_path = {{few, 3.0}, {many, 1.0}}, .reward_fn = even}, 4),
                 [&](const GrpoOptions& o) { return grpo(o, Asked{&asked}); });
  REQUIRE(run.error.empty());
  CHECK(run.result.steps == 4);
  CHECK(contains(run.record().at("data").dump(), "few.jsonl (3), "));
  REQUIRE(asked.size() == 8);  // an epoch
  CHECK(std::ranges::count_if(asked, [](std::int64_t record) { return record < 2; }) == 6);
}

TEST_CASE("what a loss on policies does not have is refused", "[recipes][grpo]") {
  RecipeFolder folder;
  CHECK(trained(folder, {.loss_type = "sapo", .epsilon_high = 0.2}).error ==
        "loss_type = sapo has no epsilon_high");
  CHECK(trained(folder, {.loss_type = "sigmoid"}).error ==
        "loss_type = sigmoid is no loss on policies; hint: grpo, dapo, dr_grpo, cispo or sapo");
}
