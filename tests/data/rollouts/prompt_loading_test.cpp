// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/rollouts/prompt_loading.hpp"

#include <string>

#include "posttrain/base/error.hpp"
#include "posttrain/data/rollouts/prompt_kind.hpp"
#include "support/catch.hpp"
#include "support/letter_tokenizer.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

data::LoadedItems<data::PromptItem> load(const std::string& path, data::LoadContext context = {},
                                         bool only_conversations = false) {
  static const text::ChatTokenizer tokenizer = tiny_tokenizer();
  context.text = &tokenizer;
  return data::load_prompts(
      {path, {}}, context,
      [](std::string_view answer) {
        if (answer == "unread") fail("expected a number as answer, got 'unread'");
      },
      {}, only_conversations);
}

}  // namespace

TEST_CASE("Prompts are texts or conversations, with answers of several names", "[data][rollouts]") {
  const TempFolder folder;
  const std::string file =
      folder.write("p.jsonl", R"({"question": "2+2?", "answer": "It is 4.\n#### 4", "level": 3})");
  const auto gsm8k = load(file);
  REQUIRE(gsm8k.train.size() == 1);
  CHECK(gsm8k.train[0].answer == "It is 4.\n#### 4");
  CHECK(gsm8k.train[0].record.find("\"level\":3") != std::string::npos);
  const auto chat = load(folder.write(
      "c.jsonl", R"({"messages": [{"role": "user", "content": "hi"}], "ground_truth": 7})"));
  CHECK(chat.train[0].answer == "7");
  CHECK_FALSE(chat.train[0].messages.empty());
  CHECK(tiny_tokenizer().tokenizer().decode(chat.train[0].ids) == "u:hi<eos>a:");
  const auto plain = load(folder.write("t.jsonl", R"({"prompt": "abc"})"));
  CHECK(plain.train[0].ids.size() == 3);
  CHECK(plain.train[0].answer.empty());
  CHECK(plain.train[0].messages.empty());
}

TEST_CASE("A conversation keeps the template's inputs; a text is none", "[data][rollouts]") {
  const TempFolder folder;
  const std::string file =
      folder.write("c.jsonl", R"({"messages": [{"role": "user", "content": "hi"}],)"
                              R"( "chat_template_kwargs": {"enable_thinking": false}})");
  const std::string cache = (folder / "cache").string();
  for (int again = 0; again < 2; ++again) {
    const auto chat = load(file, {.cache_dir = cache}, true);
    CHECK(chat.train[0].inputs ==
          R"({"tools":null,"documents":null,"chat_template_kwargs":{"enable_thinking":false}})");
  }
  const std::string texts = folder.write("t.jsonl", "{\"prompt\": \"abc\"}\n");
  CHECK(load(texts).train[0].inputs.empty());
  CHECK_THROWS_WITH(load(texts, {}, true),
                    Catch::Contains("t.jsonl:1: expected a conversation, which the environment"));
  CHECK_THROWS_WITH(load(texts, {.skip_bad_samples = true}, true),
                    Catch::Contains("1 bad samples skipped"));
}

TEST_CASE("An answer that no verifier can judge is an error with its line", "[data][rollouts]") {
  const TempFolder folder;
  const std::string file = folder.write("p.jsonl",
                                        "{\"prompt\": \"a\", \"answer\": \"1\"}\n"
                                        "{\"prompt\": \"b\", \"answer\": \"unread\"}\n");
  CHECK_THROWS_WITH(load(file), Catch::Contains("p.jsonl:2: expected a number"));
  const auto skipped = load(file, {.skip_bad_samples = true});
  CHECK(skipped.train.size() == 1);
  CHECK(skipped.report.bad == 1);
}

TEST_CASE("A prompt is dropped where it is too long, never cut; and it comes from a cache whole",
          "[data][rollouts]") {
  const TempFolder folder;
  const std::string file = folder.write(
      "p.jsonl", "{\"prompt\": \"abcdefgh\"}\n{\"prompt\": \"ab\", \"answer\": \"\\u00e9\"}\n");
  const auto kept = load(file, {.max_seq_len = 4, .truncate = true});
  CHECK(kept.train.size() == 1);
  CHECK(kept.report.too_long == 1);
  const std::string cache = (folder / "cache").string();
  const auto first = load(file, {.cache_dir = cache}), again = load(file, {.cache_dir = cache});
  CHECK(again.report.cache.find("from the cache") != std::string::npos);
  REQUIRE(again.train.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(again.train[i].ids == first.train[i].ids);
    CHECK(again.train[i].answer == first.train[i].answer);
    CHECK(again.train[i].record == first.train[i].record);
    CHECK(again.train[i].sample == first.train[i].sample);
  }
}
