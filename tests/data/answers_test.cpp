// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/answers.hpp"

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/letter_tokenizer.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::Answers;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;
using posttrain::test::tiny_tokenizer;

TEST_CASE("judged answers load as their fields say", "[data][answers]") {
  const TempFolder scratch;
  const auto chat = tiny_tokenizer();
  Answers data{.path = scratch.write("a.jsonl",
                                     R"({"prompt": "ab", "completion": "c", "label": true})"
                                     "\n"
                                     R"({"prompt": "ab", "completion": "de", "label": false})"
                                     "\n")};
  const auto loaded = data.load({.text = &chat});
  REQUIRE(loaded.train.size() == 2);
  const std::vector<std::vector<const Answer*>> step{{&loaded.train[0], &loaded.train[1]}};
  const AnswerBatch shared = data.kind().batches(step).at(0);
  CHECK(shared.tokens() == 2 + 2 + 3);  // the prompt is read once
  CHECK(shared.desirable.sum().item<std::int64_t>() == 1);
  data.share_prompts = false;
  CHECK(data.kind().batches(step).at(0).tokens() == 2 * 2 + 2 + 3);
  data.truncation_mode = Truncation::keep_end;
  const auto cut = data.load({.text = &chat, .max_seq_len = 3, .truncate = true});
  REQUIRE(cut.train.size() == 1);
  CHECK(cut.train[0].prompt.size() == 1);
  CHECK(cut.report.too_long == 1);
}

TEST_CASE("answers without a path are refused", "[data][answers]") {
  static_assert((Answers{.path = "a"}.validate(), true));
  CHECK(contains(error_of([] { Answers{}.validate(); }), "path must not be empty"));
}
