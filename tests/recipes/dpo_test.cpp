// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/dpo.hpp"

#include <cmath>
#include <string>

#include "support/catch.hpp"
#include "support/recipe_run.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

std::string some_preferences() {
  std::string text;
  for (int i = 0; i < 6; ++i) {
    const std::string n = std::to_string(i);
    text += R"({"prompt": "How many? )" + n + R"(", "chosen": "I have )" + n +
            R"( apples.", "rejected": "No idea."})" + "\n";
  }
  return text;
}

RecipeRun trained(RecipeFolder& folder, DpoOptions options) {
  options.model_path = folder.model();
  if (options.data_path.empty())
    options.data_path = folder.write("pairs.jsonl", some_preferences());
  options.effective_batch_size = 6;
  options.learning_rate = 1e-3;
  options.max_steps = 2;
  options.progress = false;
  return folder.run(options, [](const DpoOptions& o) { return dpo(o); });
}

}  // namespace

TEST_CASE("dpo trains on pairs, all weights beside a frozen copy", "[recipes][dpo]") {
  RecipeFolder folder;
  const RecipeRun run = trained(folder, {});
  REQUIRE(run.error.empty());
  // Policy and reference are equal at first: −log σ(0).
  REQUIRE(run.losses().size() == 2);
  CHECK(std::abs(run.losses()[0] - std::log(2.0)) < 1e-6);
  CHECK(run.losses()[1] < run.losses()[0]);
  CHECK(run.models() == std::vector<std::string>{"samples_24"});
  CHECK(run.result.model == (run.folder / "hf_format/samples_24").string());
  CHECK(run.record().at("params").at("type") == "WithFrozenReference");
}

TEST_CASE("dpo's losses, parameters and sources are chosen by members", "[recipes][dpo]") {
  RecipeFolder folder;
  const RecipeRun hinge = trained(folder, {.loss_type = "hinge", .lora_r = 2});
  REQUIRE(hinge.error.empty());
  CHECK(std::abs(hinge.losses()[0] - 1.0) < 1e-6);  // max(0, 1 − 0)
  CHECK(contains(hinge.record().dump(), "Hinge"));
  CHECK(std::filesystem::exists(hinge.result.model + "/adapter_model.safetensors"));
  const RecipeRun osft = trained(folder, {.loss_type = "simpo", .unfreeze_rank_ratio = 0.5});
  REQUIRE(osft.error.empty());
  CHECK(contains(osft.record().dump(), "SimPo"));
  CHECK(osft.record().at("params").at("type") == "BasicOsft");
  // A loss that gathers statistics, and the likelihood of chosen answers beside one.
  const RecipeRun aot = trained(folder, {.loss_type = "aot", .rpo_alpha = 1.0});
  REQUIRE(aot.error.empty());
  CHECK(aot.losses()[0] > std::log(2.0) + 1.0);
  const std::string pairs = folder.write("pairs.jsonl", some_preferences());
  const RecipeRun two = trained(folder, {.data_path = {{pairs, 2.0}, {pairs, 1.0}}});
  REQUIRE(two.error.empty());
  CHECK(two.report().at("read") == 12);
}
