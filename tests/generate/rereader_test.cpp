// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/rereader.hpp"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "generate/chatty_model.hpp"
#include "posttrain/generate/generator.hpp"
#include "posttrain/generate/generator_for.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/prefix_tuning.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "support/cacheless.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// Prompts of several lengths with several samples each.
std::vector<Request> some_requests(const Sampling& sampling) {
  std::vector<Request> requests;
  for (std::uint64_t i = 0; i < 5; ++i) {
    requests.push_back({.prompt = some_ids(static_cast<std::int64_t>(1 + 2 * i), 10 + i),
                        .sampling = sampling,
                        .samples = static_cast<std::int64_t>(1 + i % 3),
                        .epoch = 2,
                        .prompt_index = i,
                        .first_sample = static_cast<std::int64_t>(i)});
  }
  return requests;
}

void check_near(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).margin(1e-5));
}

/// The same samples with the same numbers.
void check_same(const std::vector<std::vector<Completion>>& own,
                const std::vector<std::vector<Completion>>& expected) {
  REQUIRE(own.size() == expected.size());
  for (std::size_t g = 0; g < own.size(); ++g) {
    REQUIRE(own[g].size() == expected[g].size());
    for (std::size_t s = 0; s < own[g].size(); ++s) {
      const Completion &a = own[g][s], &b = expected[g][s];
      CHECK(a.ids == b.ids);
      CHECK(a.request == b.request);
      CHECK(a.sample == b.sample);
      CHECK(a.finish == b.finish);
      CHECK(a.text == b.text);
      CHECK(a.stop_string == b.stop_string);
      check_near(a.logps, b.logps);
      check_near(a.plain_logps, b.plain_logps);
      check_near(a.entropy, b.entropy);
      CHECK(a.support == b.support);
      CHECK(a.support.sizes.size() == (a.entropy.empty() ? 0 : a.ids.size()));
      REQUIRE(a.top.size() == b.top.size());
      for (std::size_t t = 0; t < a.top.size(); ++t) {
        REQUIRE(a.top[t].size() == b.top[t].size());
        for (std::size_t k = 0; k < a.top[t].size(); ++k) CHECK(a.top[t][k].id == b.top[t][k].id);
      }
    }
  }
}

const Sampling kWarm{.max_new_tokens = 9, .stop_ids = {3, 4}, .seed = 5};

}  // namespace

TEST_CASE("reading everything again gives the samples of a generator", "[generate][C19]") {
  const Cacheless<models::Decoder> model{tiny_model()};
  const FrozenState gate = Frozen{}.attach(model.decoder);
  const std::vector<Sampling> all{
      kWarm,
      {.max_new_tokens = 6, .temperature = 0.0},
      {.max_new_tokens = 12,
       .min_new_tokens = 3,
       .temperature = 0.7,
       .top_k = 20,
       .top_p = 0.9,
       .min_p = 0.01,
       .repetition_penalty = 1.2,
       .presence_penalty = 0.1,
       .frequency_penalty = 0.1,
       .stop_ids = {0, 1, 2, 3, 4, 5},
       .seed = 9,
       .entropy = true,
       .top_logps = 3,
       .support = true},
  };
  for (const Sampling& sampling : all) {
    Generator generator(model.decoder, gate, {1, 2});
    const auto expected = generator.run(some_requests(sampling));
    for (const GeneratorOptions& options :
         {GeneratorOptions{}, GeneratorOptions{.max_live = 3, .prompt_chunk = 20},
          GeneratorOptions{.prompt_chunk = 1}, GeneratorOptions{.draft_ngrams = 1}}) {
      Rereader rereader(model, gate, {1, 2}, options);
      check_same(rereader.run(some_requests(sampling)), expected);
      CHECK(rereader.idle());
      CHECK(rereader.take().empty());
    }
  }
}

TEST_CASE("every gate samples again what it samples with a cache", "[generate][C22]") {
  const Cacheless<models::Decoder> model{tiny_model()};
  const auto check = [&](const auto& params) {
    auto state = params.attach(model.decoder);
    disturb(state);
    Generator generator(model.decoder, state, {});
    auto rereader = generator_for(model, state, {});
    check_same(rereader.run(some_requests(kWarm)), generator.run(some_requests(kWarm)));
  };
  check(Lora{.rank = 2});
  check(PromptTuning{.num_virtual_tokens = 3});
  check(PrefixTuning{.num_virtual_tokens = 3});
}

TEST_CASE("guesses save passes of a model that reads everything again", "[generate]") {
  const Cacheless<models::Decoder> model{tiny_model()};
  const FrozenState gate = Frozen{}.attach(model.decoder);
  const Sampling greedy{.max_new_tokens = 40, .temperature = 0.0};  // repeats itself
  const auto passes = [&](const GeneratorOptions& options) {
    Rereader rereader(model, gate, {}, options);
    rereader.add({.prompt = some_ids(4, 1), .sampling = greedy});
    int steps = 1;
    while (rereader.step()) ++steps;
    const GeneratorCounts counts = rereader.counts();
    CHECK(counts.steps == steps);
    CHECK(counts.sampled_tokens == 40);
    CHECK(counts.prompt_tokens == 4 * steps);
    CHECK(counts.sample_rows >= steps + counts.accepted_drafts);
    return std::pair(steps, rereader.take().at(0).ids);
  };
  const auto plain = passes({}), guessed = passes({.draft_ngrams = 2});
  CHECK(plain.first == 40);
  CHECK(guessed.first < 35);
  CHECK(guessed.second == plain.second);
}

TEST_CASE("texts, ends and requests are those of a generator, read again", "[generate][C9]") {
  const text::ChatTokenizer letters = tiny_tokenizer();
  const Cacheless<ChattyModel> model{ChattyModel(&letters)};
  const FrozenState gate = Frozen{}.attach(model.decoder);
  const Says says(gate, letters, "one, two, three");
  Rereader rereader(model, says, letters.eos_ids(), {}, &letters.tokenizer());
  std::string shown;
  rereader.on_token([&](const TokenEvent& event) { shown += event.text; });
  const TokenIds prompt = letters.tokenizer().encode("q");
  const auto groups = rereader.run(
      {{.prompt = prompt, .sampling = {.temperature = 0.0, .stop_strings = {"wo, t"}}}});
  CHECK(groups[0][0].text == "one, t");
  CHECK(groups[0][0].finish == FinishReason::stop_string);
  CHECK(shown == "one, t");

  const std::int64_t first = rereader.add({.prompt = prompt, .samples = 3});
  CHECK(rereader.step());
  rereader.add({.prompt = prompt, .sampling = {.max_new_tokens = 2}});
  rereader.cancel(first);
  while (rereader.step()) {
  }
  CHECK(rereader.take().size() == 1);
}

TEST_CASE("what cannot be read again is refused in one line", "[generate]") {
  const Cacheless<models::Decoder> model{tiny_model()};
  FullState gate = Full{}.attach(model.decoder);
  for (const GeneratorOptions& options :
       {GeneratorOptions{.exact = true}, GeneratorOptions{.sync_every = 4},
        GeneratorOptions{.idle_cache_bytes = 1000}}) {
    CHECK_THROWS_WITH(Rereader(model, gate, {}, options),
                      Catch::Contains("are for a model with a cache of keys and values"));
  }
  Rereader rereader(model, gate, {});
  CHECK_THROWS_WITH(rereader.add({}), Catch::Contains("prompt 0: expected at least one token"));
  CHECK_THROWS_WITH(rereader.add({.prompt = {50}}), Catch::Contains("expected ids from 0 to 49"));
  CHECK_THROWS_WITH(rereader.add({.prompt = {1}, .sampling = {.stop_strings = {"a"}}}),
                    Catch::Contains("stop_strings need a tokenizer"));
  rereader.add({.prompt = {1}, .sampling = {.max_new_tokens = 5}});
  CHECK(rereader.step());
  gate.publish();
  CHECK_THROWS_WITH(rereader.step(), Catch::Contains("expected the weights' version"));
  CHECK(rereader.idle());
  gate.trainable()[0].master.fill_(std::numeric_limits<double>::quiet_NaN());
  gate.publish();
  rereader.add({.prompt = {1}});
  CHECK_THROWS_WITH(rereader.step(), Catch::Contains("at position 1 are not finite"));
}
