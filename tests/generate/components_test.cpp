// SPDX-License-Identifier: Apache-2.0
// The lines of docs/components.md on generate/, with their results.
#include "generate/chatty_model.hpp"
#include "posttrain/generate/chat.hpp"
#include "posttrain/generate/kv_cache.hpp"
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
    const double uniform = uniform_at(DrawKey{.seed = 1}, std::ssize(ids));
    const DrawRow row{.uniform = uniform, .temperature = 0.8};
    const Drawn drawn = draw_tokens(model.logits(gate, last), {{row}});  // [1, V] → [1]
    ids.push_back(static_cast<TokenId>(drawn.ids.item<std::int64_t>()));
    hidden = cache.read(gate, std::span(&ids.back(), 1));
  }
  // [/snippet]
  // [snippet: generate]
  const Sampling sampling{.max_new_tokens = 8, .temperature = 0.8, .seed = 1};
  const Completion sample = generate(model, gate, prompt, /*eos_ids=*/{}, sampling);
  // [/snippet]
  CHECK(ids == sample.ids);
  CHECK(sample.logps.size() == 8);
}

TEST_CASE("components: a generator", "[components]") {
  const models::Decoder model = tiny_model();
  const FrozenState gate = Frozen{}.attach(model);
  const TokenIds prompt = some_ids(6, 1), other = some_ids(9, 2);
  std::vector<TokenIds> seen;
  const auto judge = [&](const Completion& sample) { seen.push_back(sample.ids); };
  // [snippet: generator]
  Generator generator(model, gate, /*ends=*/{2}, {.max_live = 32});
  const Sampling sampling{.max_new_tokens = 64, .temperature = 0.8, .top_p = 0.95, .seed = 7};
  generator.add({.prompt = prompt, .sampling = sampling, .samples = 16, .prompt_index = 0});
  generator.add({.prompt = other, .sampling = sampling, .samples = 16, .prompt_index = 1});
  for (bool more = true; more;) {
    more = generator.step();
    for (const Completion& sample : generator.take()) judge(sample);  // as they end
  }
  // [/snippet]
  CHECK(seen.size() == 32);
  // [snippet: run]
  const auto groups = generator.run({{.prompt = prompt, .sampling = sampling, .samples = 2},
                                     {.prompt = other, .sampling = sampling, .samples = 2}});
  const Completion& first = groups[0][0];  // of the first prompt
  // [/snippet]
  CHECK(std::ranges::count(seen, first.ids) == 1);
  CHECK(groups[1].size() == 2);
}

TEST_CASE("components: a logits processor of one's own", "[components]") {
  const models::Decoder model = tiny_model();
  const FrozenState gate = Frozen{}.attach(model);
  const TokenIds prompt = some_ids(6, 1);
  // [snippet: processor]
  const auto never_twice = [](const Tensor& logits, const RowView& row) {
    for (const TokenId id : row.sampled) logits.select(0, id).fill_(-1e30);
  };
  Generator generator(model, gate, /*ends=*/{}, {}, /*tokenizer=*/nullptr,
                      AllowedIds({3, 5, 8, 13}), never_twice);
  const auto groups = generator.run({{.prompt = prompt, .sampling = {.max_new_tokens = 4}}});
  // [/snippet]
  TokenIds ids = groups[0][0].ids;
  std::ranges::sort(ids);
  CHECK(ids == TokenIds{3, 5, 8, 13});
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
  const std::string brief = answer(model, gate, chat, {.max_new_tokens = 64, .temperature = 0.0});
  // [/snippet]
  CHECK(reply == "It is 4.");
  CHECK(brief == "It is 4.");
  std::string shown;
  // [snippet: turns]
  Chat talk(model, gate, letters);
  talk.say("How much is 2 + 2?");
  const std::string second = talk.say("Sure?", {.temperature = 0.0, .stop_strings = {"4"}},
                                      [&](std::string_view text) { shown += text; });
  // [/snippet]
  CHECK(second == "It is");
  CHECK(shown == "It is ");
  CHECK(talk.messages().size() == 4);
}
