// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/reward_pairs.hpp"

#include "posttrain/data/answers.hpp"
#include "posttrain/data/preferences.hpp"
#include "posttrain/data/tokenized.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/letter_tokenizer.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::data;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;
using posttrain::test::tiny_tokenizer;

static_assert(LoadsPairs<Preferences> && !LoadsPairs<Answers> && !LoadsPairs<Tokenized>);

TEST_CASE("the pairs of another policy get rewards at their ends [C21]", "[data][rewards][C21]") {
  const TempFolder scratch;
  const auto chat = tiny_tokenizer();
  const RewardPairs data{Preferences{
      .path = scratch.write("a.jsonl",
                            R"({"prompt": "ab", "chosen": "c", "rejected": "def", "margin": 0.5})"),
      .share_prompts = false}};
  const auto loaded = data.load({.text = &chat});
  REQUIRE(loaded.train.size() == 1);
  CHECK_FALSE(data.kind().share_prompts);  // the fields of the inner policy
  const RewardBatch batch = data.kind().pack({{&loaded.train[0]}});
  CHECK(at::equal(batch.row, at::tensor(std::vector<std::int64_t>{3, 9}, at::kLong)));
  CHECK(batch.margin[0].item<float>() == 0.5F);
  CHECK(
      contains(error_of([] { RewardPairs{Preferences{}}.validate(); }), "path must not be empty"));
}
