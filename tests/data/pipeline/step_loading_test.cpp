// SPDX-License-Identifier: Apache-2.0
// Files of solutions in judged steps to token ids: where rewards stand, limits, counts.
#include "posttrain/data/pipeline/step_loading.hpp"

#include "support/catch.hpp"
#include "support/letter_tokenizer.hpp"
#include "support/temp_folder.hpp"

using posttrain::SteppedSolution;
using posttrain::TokenIds;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;
using posttrain::test::tiny_tokenizer;
using posttrain::text::ChatTokenizer;
using namespace posttrain::data;

namespace {

LoadedItems<SteppedSolution> load(const std::string& path, LoadContext context = {},
                                  const std::string& separator = "\n", bool last_step_only = false,
                                  std::string_view validation_path = {}) {
  static const ChatTokenizer chat = tiny_tokenizer();
  context.text = &chat;
  return load_steps({path, validation_path}, context, separator, last_step_only);
}

std::string text(const TokenIds& ids) { return tiny_tokenizer().tokenizer().decode(ids); }

std::vector<std::string> steps(const SteppedSolution& solution) {
  std::vector<std::string> all;
  for (const TokenIds& step : solution.steps) all.push_back(text(step));
  return all;
}

using Texts = std::vector<std::string>;

constexpr const char* kThree =
    R"({"prompt": "ab", "completions": ["cd", "e", "fgh"], "labels": [true, false, true]})"
    "\n"
    R"({"prompt": "abcdefg", "completions": ["x"], "labels": [0]})"
    "\n"
    R"({"prompt": "", "completions": ["x", "yz"], "labels": [1, 0.5]})"
    "\n";

}  // namespace

TEST_CASE("steps end with their separator, behind the prompt that inference sees [C8]",
          "[data][steps][C8]") {
  const TempFolder scratch;
  const std::string path = scratch.write("steps.jsonl", kThree);
  const LoadedItems<SteppedSolution> data = load(path);
  REQUIRE(data.train.size() == 3);
  CHECK(text(data.train[0].prompt) == "ab");
  CHECK(steps(data.train[0]) == Texts{"cd\n", "e\n", "fgh\n"});
  CHECK(data.train[0].labels == std::vector<float>{1.0F, 0.0F, 1.0F});
  CHECK(data.train[2].labels == std::vector<float>{1.0F, 0.5F});
  CHECK(data.train[2].sample == 2);
  CHECK(data.report.scored == 6);
  CHECK(data.report.tokens == 11 + 9 + 5);
  CHECK(contains(data.report.sources.at(0), "solutions in judged steps"));

  CHECK(steps(load(path, {}, "<eos>").train[0]) == Texts{"cd<eos>", "e<eos>", "fgh<eos>"});
  CHECK(load(path, {}, "<eos>").train[0].steps[1].size() == 2);
  CHECK(steps(load(path, {}, "").train[0]) == Texts{"cd", "e", "fgh"});

  const LoadedItems<SteppedSolution> chat = load(scratch.write(
      "chat.jsonl",
      R"({"prompt": [{"role": "user", "content": "hi"}], "completions": ["x"], "labels": [1]})"
      "\n"));
  CHECK(text(chat.train[0].prompt) == "u:hi<eos>a:");
}

TEST_CASE("solutions too long keep the steps that fit, or are dropped and counted",
          "[data][steps][C17]") {
  const TempFolder scratch;
  const std::string path = scratch.write("steps.jsonl", kThree);
  LoadContext context;
  context.max_seq_len = 8;
  const LoadedItems<SteppedSolution> dropped = load(path, context);
  REQUIRE(dropped.train.size() == 1);
  CHECK(dropped.report.too_long == 2);
  context.truncate = true;
  const LoadedItems<SteppedSolution> cut = load(path, context);
  REQUIRE(cut.train.size() == 2);
  CHECK(steps(cut.train[0]) == Texts{"cd\n", "e\n"});
  CHECK(cut.train[0].labels == std::vector<float>{1.0F, 0.0F});
  CHECK(cut.report.truncated == 1);
  CHECK(cut.report.too_long == 1);  // no step fits behind the long prompt
  CHECK(cut.report.scored == 4);
  context = {};
  context.max_tokens_per_batch = 10;
  CHECK(contains(error_of([&] { load(path, context); }),
                 "a sequence of 11 tokens does not fit max_tokens_per_batch = 10"));
}

TEST_CASE("the last step's reward alone is trained on request; validation keeps all",
          "[data][steps]") {
  const TempFolder scratch;
  const std::string path = scratch.write("steps.jsonl", kThree);
  const LoadedItems<SteppedSolution> data = load(path, {}, "\n", /*last_step_only=*/true, path);
  CHECK(steps(data.train[0]) == Texts{"cd\ne\nfgh\n"});
  CHECK(data.train[0].labels == std::vector<float>{1.0F});
  CHECK(data.train[2].labels == std::vector<float>{0.5F});
  CHECK(steps(data.validation[0]) == Texts{"cd\n", "e\n", "fgh\n"});
  CHECK(data.report.scored == 3 + 6);
}

TEST_CASE("malformed solutions are an error with file and line, or counted", "[data][steps]") {
  const TempFolder scratch;
  const std::string path = scratch.write(
      "steps.jsonl", std::string(kThree) + R"({"prompt": "a", "completions": ["b"], "labels": []})"
                                           "\n"
                                           R"({"prompt": "ab", "completions": ["c"]})"
                                           "\n");
  CHECK(contains(error_of([&] { load(path); }),
                 "steps.jsonl:4: expected 'completions' and 'labels' to be lists of one length"));
  const LoadedItems<SteppedSolution> data = load(path, {.skip_bad_samples = true});
  CHECK(data.train.size() == 3);
  CHECK(data.report.bad == 2);
  const std::string twice = scratch.write("twice.jsonl", std::string(kThree) + kThree);
  CHECK(load(twice, {.deduplicate = true}).train.size() == 3);
  CHECK(load(twice, {.deduplicate = true}).report.duplicates == 3);
  CHECK(contains(error_of([&] { load_steps({.path = path}, {}, "\n", false); }),
                 "need a tokenizer; hint: the model's folder"));
}
