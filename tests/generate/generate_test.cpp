// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/generate.hpp"

#include "posttrain/params/frozen.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// Greedy decoding by reading everything again for every token.
TokenIds slow_greedy(const models::Decoder& model, const FrozenState& state, TokenIds ids,
                     int count) {
  at::NoGradGuard no_grad;
  TokenIds continuation;
  for (int i = 0; i < count; ++i) {
    Sequence sequence{ids, std::vector<float>(ids.size(), 1.0F), 0};
    const Tensor hidden = model.hidden(state, batch_of({sequence}));
    const Tensor logits = model.logits(state, hidden.narrow(0, hidden.size(0) - 1, 1));
    continuation.push_back(static_cast<TokenId>(logits.argmax().item<std::int64_t>()));
    ids.push_back(continuation.back());
  }
  return continuation;
}

}  // namespace

TEST_CASE("decoding with a cache equals reading everything again", "[generate]") {
  const models::Decoder model = tiny_model();
  const FrozenState state = Frozen{}.attach(model);
  const TokenIds prompt = some_ids(6, 1);
  CHECK(generate(model, state, prompt, {}, {.max_new_tokens = 12}) ==
        slow_greedy(model, state, prompt, 12));
}

TEST_CASE("decoding stops at any end-of-sequence id and keeps it", "[generate][C9]") {
  const models::Decoder model = tiny_model();
  const FrozenState state = Frozen{}.attach(model);
  const TokenIds prompt = some_ids(6, 1);
  const TokenIds free = generate(model, state, prompt, {}, {.max_new_tokens = 12});
  const TokenId stop = free[3];
  const TokenIds stopped =
      generate(model, state, prompt, {stop, TokenId{49}}, {.max_new_tokens = 12});
  const auto first = std::find(free.begin(), free.end(), stop);
  CHECK(stopped.size() <= static_cast<std::size_t>(first - free.begin()) + 1);
  CHECK((stopped.back() == stop || stopped.back() == 49));
}

TEST_CASE("sampling is a function of the seed", "[generate]") {
  const models::Decoder model = tiny_model();
  const FrozenState state = Frozen{}.attach(model);
  const TokenIds prompt = some_ids(6, 1);
  const GenerateOptions warm{.max_new_tokens = 8, .temperature = 1.0, .seed = 5};
  CHECK(generate(model, state, prompt, {}, warm) == generate(model, state, prompt, {}, warm));
  GenerateOptions other = warm;
  other.seed = 6;
  CHECK(generate(model, state, prompt, {}, other) != generate(model, state, prompt, {}, warm));
}

TEST_CASE("generation options are checked", "[generate]") {
  CHECK_THROWS_WITH(GenerateOptions{.temperature = -1.0}.validate(),
                    Catch::Contains("temperature must not be negative"));
  const models::Decoder model = tiny_model();
  const FrozenState state = Frozen{}.attach(model);
  CHECK_THROWS_WITH(generate(model, state, {}, {}), Catch::Contains("at least one token"));
}
