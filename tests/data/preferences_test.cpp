// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/preferences.hpp"

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

TEST_CASE("preferences load as their fields say [C17]", "[data][preferences][C17]") {
  const TempFolder scratch;
  const auto chat = tiny_tokenizer();
  const Preferences data{
      .path = scratch.write("a.jsonl", R"({"prompt": "abcd", "chosen": "efgh", "rejected": "i"})"),
      .share_prompts = false,
      .truncation_mode = Truncation::keep_end,
      .validation_path =
          scratch.write("v.jsonl", R"({"prompt": "x", "chosen": "y", "rejected": "z"})")};
  CHECK_FALSE(data.kind().share_prompts);
  const auto loaded = data.load({.text = &chat, .max_seq_len = 7, .truncate = true});
  REQUIRE(loaded.train.size() == 1);
  CHECK(loaded.train[0].prompt.size() == 2);      // its start is cut
  CHECK(loaded.train[0].chosen.ids.size() == 5);  // with its terminator
  CHECK(loaded.validation.size() == 1);
  const PairBatch batch = data.kind().pack({{&loaded.train[0], &loaded.validation[0]}});
  CHECK(batch.items() == 2);
  CHECK(batch.tokens() == 2 * 2 + 5 + 2 + 2 * 1 + 2 + 2);
}

TEST_CASE("preferences without a path are refused", "[data][preferences]") {
  static_assert((Preferences{.path = "a"}.validate(), true));
  CHECK(contains(error_of([] { Preferences{}.validate(); }), "path must not be empty"));
}
