// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/prompts_from_sources.hpp"

#include <set>
#include <string>

#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/rewards/numeric_answer.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/prompt_lines.hpp"
#include "support/recipe_run.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("prompts of several sources are drawn by their shares", "[recipes][from_sources]") {
  const TempFolder folder;
  write_tiny_model(folder / "model", 1);
  const hub::PretrainedDecoder model((folder / "model").string());
  folder.write("few.jsonl", some_prompts(3));
  folder.write("many.jsonl", some_prompts(9));
  const PromptsFromSources data{
      DataSources{{(folder / "few.jsonl").string(), 3.0}, {(folder / "many.jsonl").string(), 1.0}},
      Rollouts<NumericAnswer>{.group_size = 2}};
  data.validate();
  const data::LoadContext context{.text = model.text(), .max_tokens_per_batch = 4096, .seed = 1};
  const auto stream = data.open(context, 4);
  REQUIRE(stream.prompts().size() == 12);
  // Records are counted on: each prompt's answers are drawn by chances of their own.
  std::set<std::int64_t> records;
  for (const data::PromptItem& item : stream.prompts()) records.insert(item.sample);
  CHECK(records.size() == 12);
  CHECK(stream.steps_per_epoch() == 6);
  CHECK(error_of([&] {
          PromptsFromSources{DataSources{{"a", 0.0}}, Rollouts<NumericAnswer>{}}.validate();
        }) == "data_path: expected a positive share for a, got 0");
}
