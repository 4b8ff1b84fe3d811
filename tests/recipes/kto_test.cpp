// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/kto.hpp"

#include <cmath>
#include <string>

#include "support/catch.hpp"
#include "support/recipe_run.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

RecipeRun trained(RecipeFolder& folder, KtoOptions options) {
  std::string text;
  for (int i = 0; i < 6; ++i) {
    const std::string n = std::to_string(i);
    text += R"({"prompt": "How many? )" + n + R"(", "completion": "I have )" + n +
            R"( apples.", "label": )" + (i % 2 == 0 ? "true" : "false") + "}\n";
  }
  options.model_path = folder.model();
  options.data_path = folder.write("judged.jsonl", text);
  options.effective_batch_size = 6;
  options.learning_rate = 1e-3;
  options.max_steps = 2;
  options.progress = false;
  return folder.run(options, [](const KtoOptions& o) { return kto(o); });
}

}  // namespace

TEST_CASE("kto trains on judged answers by three losses", "[recipes][kto]") {
  RecipeFolder folder;
  const RecipeRun plain = trained(folder, {.desirable_weight = 2.0});
  REQUIRE(plain.error.empty());
  // λ (1 − σ(0)) of three answers of weight 2 and three of weight 1.
  CHECK(std::abs(plain.losses()[0] - 0.75) < 1e-6);
  CHECK(plain.models().size() == 1);
  const RecipeRun apo = trained(folder, {.loss_type = "apo_zero_unpaired", .lora_r = 2});
  REQUIRE(apo.error.empty());
  CHECK(std::abs(apo.losses()[0] - 0.5) < 1e-6);
  CHECK(contains(apo.record().dump(), "ApoZeroUnpaired"));
  const RecipeRun bco = trained(folder, {.loss_type = "bco", .beta = 0.5});
  REQUIRE(bco.error.empty());
  CHECK(std::abs(bco.losses()[0] - std::log(2.0)) < 1e-6);
  CHECK(contains(bco.record().dump(), "0.5"));
}

TEST_CASE("what a loss on judged answers does not have is refused", "[recipes][kto]") {
  RecipeFolder folder;
  CHECK(trained(folder, {.loss_type = "bco", .desirable_weight = 2.0}).error ==
        "loss_type = bco has no weights of answers; hint: leave them out");
  CHECK(trained(folder, {.loss_type = "sigmoid"}).error ==
        "loss_type = sigmoid is no loss on judged answers; hint: kto, apo_zero_unpaired or bco");
}
