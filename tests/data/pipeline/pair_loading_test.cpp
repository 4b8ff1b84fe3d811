// SPDX-License-Identifier: Apache-2.0
// Preference files to tokenised pairs and judged answers: boundaries, truncation, counts.
#include "posttrain/data/pipeline/pair_loading.hpp"

#include "support/catch.hpp"
#include "support/letter_tokenizer.hpp"
#include "support/temp_folder.hpp"

using posttrain::Answer;
using posttrain::AnswerPair;
using posttrain::PairKind;
using posttrain::TokenIds;
using posttrain::Truncation;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;
using posttrain::test::tiny_tokenizer;
using posttrain::text::ChatTokenizer;
using namespace posttrain::data;

namespace {

LoadedItems<AnswerPair> load(const ChatTokenizer& chat, const std::string& path,
                             LoadContext context = {}, const PairKind& kind = {}) {
  context.text = &chat;
  return load_pairs({.path = path}, context, kind);
}

}  // namespace

TEST_CASE("pairs have one prompt, and answers with their terminators [C8]",
          "[data][preferences][C8][C17]") {
  const TempFolder scratch;
  const ChatTokenizer chat = tiny_tokenizer();
  const auto text = [&](const TokenIds& ids) { return chat.tokenizer().decode(ids); };
  const std::string path = scratch.write(
      "pairs.jsonl",
      R"({"prompt": [{"role": "user", "content": "hi"}], "chosen": [{"role": "assistant", "content": "good"}], "rejected": [{"role": "assistant", "content": "gosh"}], "margin": 1.5})"
      "\n"
      R"({"prompt": "one", "chosen": " two", "rejected": " 2"})"
      "\n");
  const LoadedItems<AnswerPair> data = load(chat, path);
  REQUIRE(data.train.size() == 2);
  // Answers start where the assistant starts to write, not where they first differ ("go").
  CHECK(text(data.train[0].prompt) == "u:hi<eos>a:");
  CHECK(text(data.train[0].chosen.ids) == "good<eos>");
  CHECK(text(data.train[0].rejected.ids) == "gosh<eos>");
  CHECK(data.train[0].margin == 1.5F);
  CHECK(data.train[0].chosen.weights == std::vector<float>(5, 1.0F));
  CHECK(text(data.train[1].prompt) == "one");
  CHECK(text(data.train[1].chosen.ids) == " two<eos>");
  CHECK(data.train[1].sample == 1);
  CHECK(data.report.train == 2);

  const LoadedItems<AnswerPair> implicit = load(
      chat,
      scratch.write(
          "implicit.jsonl",
          R"({"chosen": [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "x"}], "rejected": [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "y"}]})"
          "\n"));
  REQUIRE(implicit.train.size() == 1);
  CHECK(text(implicit.train[0].prompt) == "u:ab<eos>a:");
  CHECK(text(implicit.train[0].rejected.ids) == "y<eos>");
}

TEST_CASE("what does not fit is cut, or dropped and counted", "[data][preferences][C17]") {
  const TempFolder scratch;
  const ChatTokenizer chat = tiny_tokenizer();
  const std::string path =
      scratch.write("pairs.jsonl", R"({"prompt": "abcd", "chosen": "e", "rejected": "f"})"
                                   "\n"
                                   R"({"prompt": "ab", "chosen": "cdefgh", "rejected": "i"})"
                                   "\n"
                                   R"({"prompt": "abcdefgh", "chosen": "i", "rejected": "j"})"
                                   "\n");
  LoadContext context;
  context.max_seq_len = 6;
  const LoadedItems<AnswerPair> dropped = load(chat, path, context);
  CHECK(dropped.train.size() == 1);
  CHECK(dropped.report.too_long == 2);
  context.truncate = true;
  const LoadedItems<AnswerPair> cut = load(chat, path, context);
  REQUIRE(cut.train.size() == 2);
  CHECK(cut.report.truncated == 1);
  CHECK(cut.report.too_long == 1);
  CHECK(cut.train[1].chosen.ids.size() == 4);
  const LoadedItems<AnswerPair> end =
      load(chat, path, context, {.truncation = Truncation::keep_end});
  REQUIRE(end.train.size() == 2);
  CHECK(end.train[1].prompt.size() == 4);
  CHECK(end.report.too_long == 1);

  // What a micro-batch must hold depends on whether the prompt stands there once or twice.
  context = {};
  context.max_tokens_per_batch = 14;
  CHECK(load(chat, path, context).train.size() == 3);
  CHECK(contains(error_of([&] { load(chat, path, context, {.share_prompts = false}); }),
                 "a sequence of 20 tokens does not fit max_tokens_per_batch = 14 (1 do not)"));
}

TEST_CASE("bad pairs are errors with their place, or counted", "[data][preferences]") {
  const TempFolder scratch;
  const ChatTokenizer chat = tiny_tokenizer();
  const std::string path =
      scratch.write("pairs.jsonl", R"({"prompt": "a", "chosen": "b", "rejected": "c"})"
                                   "\n"
                                   R"({"prompt": "a", "chosen": "b", "rejected": "b"})"
                                   "\n"
                                   R"({"prompt": "", "chosen": "b", "rejected": "c"})"
                                   "\n"
                                   R"({"prompt": "a", "chosen": "b", "rejected": "c"})"
                                   "\n");
  CHECK(contains(error_of([&] { load(chat, path); }),
                 "pairs.jsonl:2: expected 'chosen' and 'rejected' to differ"));
  const LoadedItems<AnswerPair> data =
      load(chat, path, {.skip_bad_samples = true, .deduplicate = true});
  CHECK(data.train.size() == 1);
  CHECK(data.report.bad == 2);
  CHECK(data.report.duplicates == 1);
  REQUIRE(data.report.reasons.size() == 2);
  CHECK(contains(data.report.reasons[1], "expected a prompt of at least one token, got none"));
}

TEST_CASE("a validation share of pairs is held out", "[data][preferences]") {
  const TempFolder scratch;
  const ChatTokenizer chat = tiny_tokenizer();
  std::string lines;
  for (char c = 'a'; c < 'k'; ++c) {
    lines += fmt::format(R"({{"prompt": "p{}", "chosen": "x", "rejected": "y"}})", c) + "\n";
  }
  const LoadedItems<AnswerPair> data =
      load(chat, scratch.write("pairs.jsonl", lines), {.validation_split = 0.2});
  CHECK(data.train.size() == 8);
  CHECK(data.validation.size() == 2);
  CHECK(data.report.validation == 2);
}

TEST_CASE("judged answers keep their verdicts", "[data][preferences]") {
  const TempFolder scratch;
  const ChatTokenizer chat = tiny_tokenizer();
  const std::string path = scratch.write(
      "answers.jsonl",
      R"({"prompt": "one", "completion": " two", "label": true})"
      "\n"
      R"({"prompt": [{"role": "user", "content": "hi"}], "completion": [{"role": "assistant", "content": "no"}], "label": false})"
      "\n");
  const LoadedItems<Answer> data = load_answers({.path = path}, {.text = &chat});
  REQUIRE(data.train.size() == 2);
  CHECK(data.train[0].desirable);
  CHECK_FALSE(data.train[1].desirable);
  CHECK(chat.tokenizer().decode(data.train[1].prompt) == "u:hi<eos>a:");
  CHECK(chat.tokenizer().decode(data.train[1].answer.ids) == "no<eos>");
}
