// SPDX-License-Identifier: Apache-2.0
// The lines of docs/components.md on generate/, with their results.
#include "generate/chatty_model.hpp"
#include "posttrain/generate/chat.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("components: a decoding loop of one's own equals generate", "[components]") {
  const models::Decoder model = tiny_model();
  const FrozenState gate = Frozen{}.attach(model);
  const TokenIds prompt = some_ids(6, 1);
  // [snippet: loop]
  at::NoGradGuard no_grad;
  KeyValueCache cache(model, /*capacity=*/6 + 8);
  TokenIds ids;
  Tensor hidden = cache.read(gate, prompt);  // [6, d], then [1, d]
  while (ids.size() < 8) {
    const Tensor last = hidden.narrow(0, hidden.size(0) - 1, 1);
    const Tensor logits = model.logits(gate, last).select(0, 0);  // [V]
    ids.push_back(choose(logits, /*temperature=*/0.8, /*seed=*/1, cache.length()));
    hidden = cache.read(gate, std::span(&ids.back(), 1));
  }
  // [/snippet]
  // [snippet: generate]
  const GenerateOptions options{.max_new_tokens = 8, .temperature = 0.8, .seed = 1};
  const TokenIds same = generate(model, gate, prompt, /*eos_ids=*/{}, options);
  // [/snippet]
  CHECK(ids == same);
}

TEST_CASE("components: chat", "[components]") {
  const text::ChatTokenizer letters = tiny_tokenizer();
  const ChattyModel model(&letters);
  const FrozenState weights = Frozen{}.attach(model);
  const Says gate(weights, letters, "It is 4.");
  // [snippet: chat]
  const std::string reply = ask(model, gate, "How much is 2 + 2?");
  const Json chat = {{{"role", "system"}, {"content", "Be brief."}},
                     {{"role", "user"}, {"content", "How much is 2 + 2?"}}};
  const std::string brief = answer(model, gate, chat, {.max_new_tokens = 64});
  // [/snippet]
  CHECK(reply == "It is 4.");
  CHECK(brief == "It is 4.");
}
