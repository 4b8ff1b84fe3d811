// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/chat.hpp"

#include "generate/chatty_model.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("an answer is what generate continues the rendered conversation with", "[generate]") {
  const text::ChatTokenizer letters = tiny_tokenizer();
  const ChattyModel model(&letters);
  const FrozenState gate = Frozen{}.attach(model);
  const Sampling options{.max_new_tokens = 9, .temperature = 1.0, .seed = 3};
  const TokenIds prompt = letters.tokenizer().encode("u:How?<eos>a:");
  const TokenIds ids = generate(model, gate, prompt, letters.eos_ids(), options).ids;
  const std::string expected = letters.tokenizer().decode(ids, /*skip_special_tokens=*/true);
  REQUIRE_FALSE(expected.empty());
  REQUIRE(expected.find_first_not_of(" \n") == 0);  // nothing is cut off
  REQUIRE(expected.find_last_not_of(" \n") == expected.size() - 1);
  CHECK(answer(model, gate, letters, asked("How?"), options) == expected);
  CHECK(answer(model, gate, asked("How?"), options) == expected);
  CHECK(answer(model, gate, Json{{"messages", asked("How?")}}, options) == expected);
  CHECK(ask(model, gate, "How?", options) == expected);
  CHECK(ask(model, gate, "Why?", options) != expected);
}

TEST_CASE("an answer loses its terminator and the white space around it", "[generate]") {
  const text::ChatTokenizer letters = tiny_tokenizer();
  const ChattyModel model(&letters);
  const FrozenState gate = Frozen{}.attach(model);
  CHECK(ask(model, Says(gate, letters, " \n It is 4.\n"), "2+2?") == "It is 4.");
  CHECK(ask(model, Says(gate, letters, " \n"), "2+2?").empty());
  CHECK(ask(model, Says(gate, letters, "It is 4."), "2+2?",
            {.max_new_tokens = 5, .temperature = 0.0}) == "It is");
}

TEST_CASE("a model without a tokenizer cannot be asked", "[generate]") {
  const ChattyModel model(nullptr);
  const FrozenState gate = Frozen{}.attach(model);
  CHECK_THROWS_WITH(ask(model, gate, "How?"), Catch::Contains("tokenizer.json"));
  static_assert(!BringsText<models::Decoder>);
}

TEST_CASE("a chat remembers its turns and reads each token once", "[generate]") {
  const text::ChatTokenizer letters = tiny_tokenizer();
  const ChattyModel model(&letters);
  const FrozenState gate = Frozen{}.attach(model);
  const Sampling sampling{.max_new_tokens = 9, .temperature = 0.0};
  Chat chat(model, gate, letters);
  std::string shown;
  const std::string first =
      chat.say("How?", sampling, [&](std::string_view text) { shown += text; });
  CHECK(first == ask(model, gate, "How?", sampling));
  CHECK(shown.find(first) != std::string::npos);
  const std::int64_t read = chat.counts().prompt_tokens;
  const std::string second = chat.say("Why?", sampling);
  Json messages = asked("How?");
  messages.push_back({{"role", "assistant"}, {"content", first}});
  messages.push_back({{"role", "user"}, {"content", "Why?"}});
  CHECK(second == answer(model, gate, messages, sampling));
  messages.push_back({{"role", "assistant"}, {"content", second}});
  CHECK(chat.messages() == messages);
  const auto whole = std::ssize(letters.prompt_ids(text::Conversation(messages)));
  CHECK(chat.counts().prompt_tokens - read < whole - read);
}
