// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/pipeline/supervised.hpp"

#include "support/catch.hpp"
#include "support/letter_tokenizer.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain::data;
using posttrain::Json;
using posttrain::Sequence;
using posttrain::TokenIds;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::tiny_tokenizer;
using posttrain::text::ChatTokenizer;

namespace {

SupervisedRecord record(const char* json) { return SupervisedRecord::from(Json::parse(json)); }

}  // namespace

TEST_CASE("a text completion is scored from its first token to its EOS [C8][C11]", "[C8][C11]") {
  const ChatTokenizer chat = tiny_tokenizer();
  const auto sequences =
      supervised_sequences(chat, record(R"({"prompt": "ab", "completion": "cd"})"));
  REQUIRE(sequences.size() == 1);
  CHECK(chat.tokenizer().decode(sequences[0].ids) == "abcd<eos>");
  CHECK(sequences[0].weights == std::vector<float>{0, 0, 1, 1, 1});
  const Passage prompt{.text = "ab"};
  const TokenIds asked = prompt_ids(chat, prompt);
  CHECK(asked == TokenIds(sequences[0].ids.begin(), sequences[0].ids.begin() + 2));
  TokenIds joined = asked;
  for (const auto id : continuation_ids(chat, "cd", asked)) joined.push_back(id);
  joined.push_back(sequences[0].ids.back());
  CHECK(joined == sequences[0].ids);
}

TEST_CASE("a prompt of messages ends where the assistant starts to write [C11]", "[C11]") {
  const ChatTokenizer chat = tiny_tokenizer();
  const auto talk = record(R"({"prompt": [{"role": "user", "content": "q"}],
                               "completion": [{"role": "assistant", "content": "a"}]})");
  const Sequence sequence = supervised_sequences(chat, talk).at(0);
  const TokenIds prompt = prompt_ids(chat, talk.prompt, talk.inputs);
  CHECK(chat.tokenizer().decode(prompt) == "u:q<eos>a:");
  REQUIRE(sequence.ids.size() > prompt.size());
  CHECK(std::equal(prompt.begin(), prompt.end(), sequence.ids.begin()));
  for (std::size_t i = 0; i < sequence.ids.size(); ++i) {
    CHECK(sequence.weights[i] == (i < prompt.size() ? 0.0F : 1.0F));
  }
}

TEST_CASE("a text completion needs an end-of-sequence token") {
  posttrain::text::ChatFiles files = posttrain::test::tiny_tokenizer_files();
  files.tokenizer_config = "{}";
  const ChatTokenizer chat(files);
  CHECK(contains(error_of([&] {
                   supervised_sequences(chat, record(R"({"prompt": "a", "completion": "b"})"));
                 }),
                 "hint: set eos_token in tokenizer_config.json"));
}
