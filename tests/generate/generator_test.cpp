// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/generator.hpp"

#include <algorithm>
#include <map>

#include "generate/chatty_model.hpp"
#include "posttrain/generate/generate.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/prefix_tuning.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "posttrain/params/qlora.hpp"
#include "posttrain/storage/int8.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// Logits [V] of the token after `ids`, everything read again.
Tensor logits_after(const models::Decoder& model, const auto& gate, const TokenIds& ids) {
  const Sequence sequence{ids, std::vector<float>(ids.size(), 1.0F), 0};
  const Tensor hidden = model.hidden(gate, prepared(gate, batch_of({sequence})).to(model.device()));
  return model.logits(gate, hidden.narrow(0, hidden.size(0) - 1, 1)).select(0, 0).to(at::kCPU);
}

TokenIds slow_greedy(const models::Decoder& model, const auto& gate, TokenIds ids, int count) {
  at::NoGradGuard no_grad;
  TokenIds continuation;
  for (int i = 0; i < count; ++i) {
    continuation.push_back(static_cast<TokenId>(
        logits_after(model, gate, ids).argmax().template item<std::int64_t>()));
    ids.push_back(continuation.back());
  }
  return continuation;
}

/// log p of a completion's ids as training scores them, at this temperature.
std::vector<double> scored(const models::Decoder& model, const auto& gate, const TokenIds& prompt,
                           const TokenIds& ids, double temperature) {
  at::NoGradGuard no_grad;
  Sequence sequence{prompt, std::vector<float>(prompt.size(), 0.0F), 0};
  sequence.ids.insert(sequence.ids.end(), ids.begin(), ids.end());
  sequence.weights.resize(sequence.ids.size(), 1.0F);
  const TokenBatch batch = prepared(gate, batch_of({sequence})).to(model.device());
  const auto logits = [&](const Tensor& rows) { return model.logits(gate, rows) / temperature; };
  const Tensor logps = score_predictions(logits, model.hidden(gate, batch), batch, {}, 7)
                           .logp.to(at::kDouble)
                           .to(at::kCPU);
  return {logps.data_ptr<double>(), logps.data_ptr<double>() + logps.numel()};
}

std::vector<TokenIds> ids_of(const std::vector<std::vector<Completion>>& groups) {
  std::vector<TokenIds> all;
  for (const auto& group : groups) {
    for (const Completion& sample : group) all.push_back(sample.ids);
  }
  return all;
}

/// Prompts of several lengths, some with a common beginning, with several samples each.
std::vector<Request> some_requests(const Sampling& sampling) {
  std::vector<Request> requests;
  const TokenIds common = some_ids(5, 3);
  for (std::uint64_t i = 0; i < 6; ++i) {
    TokenIds prompt = i % 2 == 0 ? common : TokenIds();
    const TokenIds own = some_ids(static_cast<std::int64_t>(1 + i * 2), 10 + i);
    prompt.insert(prompt.end(), own.begin(), own.end());
    requests.push_back({.prompt = prompt,
                        .sampling = sampling,
                        .samples = static_cast<std::int64_t>(1 + i % 3),
                        .epoch = 2,
                        .prompt_index = i});
  }
  return requests;
}

const Sampling kWarm{.max_new_tokens = 9, .temperature = 1.0, .seed = 5};
const Sampling kGreedy{.max_new_tokens = 12, .temperature = 0.0};

}  // namespace

TEST_CASE("many greedy samples at once equal reading everything again for each", "[generate]") {
  const models::Decoder model = tiny_model();  // one layer has a window of four
  const FrozenState gate = Frozen{}.attach(model);
  Generator generator(model, gate, {});
  const std::vector<Request> requests = some_requests(kGreedy);
  const auto groups = generator.run(requests);
  REQUIRE(groups.size() == requests.size());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    REQUIRE(std::ssize(groups[i]) == requests[i].samples);
    for (const Completion& sample : groups[i]) {
      CHECK(sample.ids == slow_greedy(model, gate, requests[i].prompt, 12));
      CHECK(sample.finish == FinishReason::length);
    }
  }
  CHECK(generator.idle());
  CHECK(generator.take().empty());
}

TEST_CASE("a sample depends on its key, not on slots, order or what else is generated",
          "[generate]") {
  const models::Decoder model = tiny_model();
  const FrozenState gate = Frozen{}.attach(model);
  const std::vector<Request> requests = some_requests(kWarm);
  const std::vector<TokenIds> all = ids_of(Generator(model, gate, {}).run(requests));
  CHECK(std::set<TokenIds>(all.begin(), all.end()).size() == all.size());

  for (const GeneratorOptions& options :
       std::vector<GeneratorOptions>{{.max_live = 1},
                                     {.max_live = 3},
                                     {.prompt_chunk = 1},
                                     {.prompt_chunk = 4},
                                     {.idle_cache_bytes = 1 << 20},
                                     {.draft_ngrams = 1, .draft_tokens = 3},
                                     {.sync_every = 4},
                                     {.max_live = 3, .sync_every = 100}}) {
    CHECK(ids_of(Generator(model, gate, {}, options).run(requests)) == all);
  }
  std::vector<TokenIds> alone;
  for (const Request& request : requests) {
    for (std::int64_t sample = 0; sample < request.samples; ++sample) {
      Request one = request;
      one.samples = 1;
      one.first_sample = sample;
      alone.push_back(Generator(model, gate, {}).run({one})[0][0].ids);
    }
  }
  CHECK(alone == all);
  std::vector<Request> turned(requests.rbegin(), requests.rend());
  auto backwards = Generator(model, gate, {}).run(turned);
  std::ranges::reverse(backwards);
  CHECK(ids_of(backwards) == all);

  Request other = requests[0];
  for (auto change : std::vector<std::function<void(Request&)>>{
           [](Request& r) { r.sampling.seed += 1; }, [](Request& r) { r.epoch += 1; },
           [](Request& r) { r.prompt_index += 1; }, [](Request& r) { r.first_sample += 1; }}) {
    Request changed = other;
    change(changed);
    CHECK(Generator(model, gate, {}).run({changed})[0][0].ids != all[0]);
  }
}

TEST_CASE("a sample that was broken off anywhere goes on as if it had not been", "[generate]") {
  const models::Decoder model = tiny_model();
  const FrozenState gate = Frozen{}.attach(model);
  const Request whole{.prompt = some_ids(4, 1),
                      .sampling = kWarm,
                      .epoch = 2,
                      .prompt_index = 7,
                      .first_sample = 3};
  const TokenIds ids = Generator(model, gate, {}).run({whole})[0][0].ids;
  for (const std::int64_t at : {1, 4, 8}) {
    Request rest = whole;
    rest.prompt.insert(rest.prompt.end(), ids.begin(), ids.begin() + at);
    rest.sampling.max_new_tokens = 9 - at;
    rest.first_position = at;
    for (const GeneratorOptions& options :
         std::vector<GeneratorOptions>{{}, {.draft_ngrams = 1, .draft_tokens = 3}}) {
      const TokenIds more = Generator(model, gate, {}, options).run({rest})[0][0].ids;
      CHECK(more == TokenIds(ids.begin() + at, ids.end()));
    }
    rest.first_position = 0;
    CHECK(Generator(model, gate, {}).run({rest})[0][0].ids !=
          TokenIds(ids.begin() + at, ids.end()));
  }
  Request before = whole;
  before.first_position = -1;
  Generator generator(model, gate, {});
  CHECK_THROWS_WITH(generator.add(before), Catch::Contains("first_position to be 0 or more"));
}

TEST_CASE("log-probabilities are those that training gives to the sampled ids", "[generate][C19]") {
  for (const at::ScalarType dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    // In 16 bits the rounding of activations is what is left (docs/generation.md).
    const double tolerance = dtype == at::kBFloat16 ? 4e-2 : 1e-6;
    const models::Decoder model = tiny_model(dtype);
    const FrozenState gate = Frozen{}.attach(model);
    Sampling sampling = kWarm;
    sampling.temperature = 0.7;
    const std::vector<Request> requests = some_requests(sampling);
    const auto groups = Generator(model, gate, {}).run(requests);
    for (std::size_t i = 0; i < groups.size(); ++i) {
      for (const Completion& sample : groups[i]) {
        const auto expected = scored(model, gate, requests[i].prompt, sample.ids, 0.7);
        REQUIRE(sample.logps.size() == expected.size());
        CHECK(sample.plain_logps.empty());
        double largest = 0.0, worst = 0.0;
        for (std::size_t t = 0; t < expected.size(); ++t) {
          largest = std::max(largest, std::abs(expected[t]));
          worst = std::max(worst, std::abs(sample.logps[t] - expected[t]));
        }
        CHECK(worst <= tolerance * largest);
      }
    }
  }
}

TEST_CASE("a prompt and every common prefix are read once", "[generate]") {
  const models::Decoder model = tiny_model();
  const FrozenState gate = Frozen{}.attach(model);
  const TokenIds system = some_ids(20, 1);
  const auto with = [&](TokenIds rest) {
    rest.insert(rest.begin(), system.begin(), system.end());
    return rest;
  };
  const Sampling sampling = kWarm;
  const std::vector<Request> requests{
      {.prompt = with({1, 2, 3}), .sampling = sampling, .samples = 4},
      {.prompt = with({1, 2, 4, 5}), .sampling = sampling, .samples = 2},
      {.prompt = with({}), .sampling = sampling, .samples = 2},
      {.prompt = with({1, 2, 3}), .sampling = sampling, .first_sample = 4}};
  Generator generator(model, gate, {});
  const auto groups = generator.run(requests);
  // The third ends within what the first reads: its last token may be read once more.
  CHECK(generator.counts().prompt_tokens == 20 + 3 + 2);
  CHECK(generator.counts().sampled_tokens == 9 * 9);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Request again = requests[i];
    CHECK(ids_of({groups[i]}) == ids_of(Generator(model, gate, {}).run({again})));
  }
}

TEST_CASE("a prompt that ends within one that was read before", "[generate]") {
  const models::Decoder model = tiny_model();
  const FrozenState gate = Frozen{}.attach(model);
  const TokenIds longer = some_ids(12, 1);
  Generator generator(model, gate, {}, {.idle_cache_bytes = 1 << 20});
  generator.run({{.prompt = longer, .sampling = kGreedy}});
  const std::int64_t read = generator.counts().prompt_tokens;
  const TokenIds shorter(longer.begin(), longer.begin() + 7);
  CHECK(generator.run({{.prompt = shorter, .sampling = kGreedy}})[0][0].ids ==
        slow_greedy(model, gate, shorter, 12));
  CHECK(generator.counts().prompt_tokens == read);
}

TEST_CASE("a conversation's next turn reads only what is new", "[generate]") {
  const models::Decoder model = tiny_model();
  const FrozenState gate = Frozen{}.attach(model);
  TokenIds turns = some_ids(8, 1);
  Generator generator(model, gate, {}, {.idle_cache_bytes = 1 << 20});
  const TokenIds answer = generator.run({{.prompt = turns, .sampling = kGreedy}})[0][0].ids;
  turns.insert(turns.end(), answer.begin(), answer.end());
  const TokenIds question = some_ids(3, 2);
  turns.insert(turns.end(), question.begin(), question.end());
  const std::int64_t read = generator.counts().prompt_tokens;
  CHECK(generator.run({{.prompt = turns, .sampling = kGreedy}})[0][0].ids ==
        slow_greedy(model, gate, turns, 12));
  CHECK(generator.counts().prompt_tokens == read + 1 + 3);  // the answer's last id was never read
  const std::int64_t memory = generator.cache_bytes();
  for (std::uint64_t i = 0; i < 5; ++i) {
    generator.run({{.prompt = some_ids(30, 50 + i), .sampling = kGreedy}});
  }
  CHECK(generator.cache_bytes() == memory);
}

TEST_CASE("every gate samples as it is trained", "[generate][C22]") {
  const models::Decoder model = tiny_model(at::kFloat);
  const auto check = [&](const auto& state) {
    const TokenIds prompt = some_ids(6, 1);
    const auto groups = Generator(model, state, {})
                            .run({{.prompt = prompt, .sampling = kGreedy},
                                  {.prompt = some_ids(4, 2), .sampling = kGreedy, .samples = 3}});
    CHECK(groups[0][0].ids == slow_greedy(model, state, prompt, 12));
    CHECK(groups[1][2].ids == slow_greedy(model, state, some_ids(4, 2), 12));
    Request warm{.prompt = prompt, .sampling = kWarm};
    const Completion sample = Generator(model, state, {}).run({warm})[0][0];
    const auto expected = scored(model, state, prompt, sample.ids, 1.0);
    for (std::size_t t = 0; t < expected.size(); ++t) {
      CHECK(std::abs(sample.logps[t] - expected[t]) < 1e-5);
    }
  };
  check(Full{}.attach(model));
  auto lora = Lora{.rank = 2}.attach(model);
  disturb(lora, 0.3);
  check(lora);
  check(QLora{.rank = 2}.attach(model));
  auto osft = Osft{}.attach(model);
  disturb(osft, 0.1);
  check(osft);
  check(BasicFrozen<Int8>{}.attach(model));
  check(PromptTuning{.num_virtual_tokens = 3}.attach(model));
  check(PrefixTuning{.num_virtual_tokens = 3}.attach(model));
}

TEST_CASE("samples end at ids, strings and lengths, and say so", "[generate][C9]") {
  const text::ChatTokenizer letters = tiny_tokenizer();
  const ChattyModel model(&letters);
  const FrozenState gate = Frozen{}.attach(model);
  const text::Tokenizer& tokenizer = letters.tokenizer();
  const Says says(gate, letters, "one, two, three");
  const TokenIds prompt = tokenizer.encode("u:Count<eos>a:");
  const auto ended = [&](const Sampling& sampling, const std::set<TokenId>& ends) {
    const Says fresh(gate, letters, "one, two, three");
    return generate(model, fresh, prompt, ends, sampling, &tokenizer);
  };
  const std::set<TokenId>& eos = letters.eos_ids();

  Completion sample = ended({.temperature = 0.0}, eos);
  CHECK(sample.finish == FinishReason::stop_id);
  CHECK(eos.contains(sample.ids.back()));
  CHECK(sample.text == "one, two, three");
  CHECK(sample.logps.size() == sample.ids.size());

  sample = ended({.max_new_tokens = 5, .temperature = 0.0}, eos);
  CHECK(sample.finish == FinishReason::length);
  CHECK(sample.ids == tokenizer.encode("one, "));
  CHECK(sample.text == "one, ");

  const TokenId comma = tokenizer.encode(",")[0];
  sample = ended({.temperature = 0.0, .stop_ids = {comma}}, eos);
  CHECK(sample.finish == FinishReason::stop_id);
  CHECK(sample.ids == tokenizer.encode("one,"));

  sample = ended({.temperature = 0.0, .stop_strings = {"zzz", "e, tw", ", two,"}}, eos);
  CHECK(sample.finish == FinishReason::stop_string);
  CHECK(sample.stop_string == "e, tw");
  CHECK(sample.text == "on");
  CHECK(sample.ids == tokenizer.encode("one, tw"));  // ids stay as they were sampled

  sample = ended({.temperature = 0.0, .stop_strings = {", tw"}, .keep_stop_string = true}, eos);
  CHECK(sample.text == "one, tw");

  // Before min_new_tokens nothing ends: the end's id is not drawn, a string does not count.
  sample = ended({.min_new_tokens = 12, .temperature = 0.0, .stop_strings = {"one", "thr"}}, eos);
  CHECK(sample.text == "one, two, ");
  sample = ended({.max_new_tokens = 30, .min_new_tokens = 30, .temperature = 0.0}, eos);
  CHECK(sample.ids.size() == 30);
  CHECK(std::ranges::none_of(sample.ids, [&](TokenId id) { return eos.contains(id); }));
}

TEST_CASE("text comes token by token, and never a part of a stop string", "[generate]") {
  const text::ChatTokenizer letters = tiny_tokenizer();
  const ChattyModel model(&letters);
  const FrozenState gate = Frozen{}.attach(model);
  const Says says(gate, letters, "one, two, three");
  Generator generator(model, says, letters.eos_ids(), {}, &letters.tokenizer());
  std::string shown;
  std::vector<TokenId> ids;
  generator.on_token([&](const TokenEvent& event) {
    CHECK(event.sample == 0);
    shown += event.text;
    ids.push_back(event.id);
    CHECK(shown.find("th") == std::string::npos);
  });
  const Sampling sampling{.temperature = 0.0, .stop_strings = {", two, thx", "three"}};
  const auto groups = generator.run({{.prompt = {1, 2}, .sampling = sampling}});
  CHECK(groups[0][0].text == "one, two, ");
  CHECK(shown == "one, two, ");
  CHECK(ids == groups[0][0].ids);
}

TEST_CASE("processors change logits before anything else", "[generate]") {
  const models::Decoder model = tiny_model(at::kFloat);
  const FrozenState gate = Frozen{}.attach(model);
  const auto never_twice = [](const Tensor& logits, const RowView& row) {
    for (const TokenId id : row.sampled) {
      logits.select(0, id).fill_(-std::numeric_limits<double>::infinity());
    }
  };
  const std::vector<TokenId> allowed{3, 7, 11, 12, 13, 30, 31};
  Generator generator(model, gate, {}, {.draft_ngrams = 1}, nullptr, AllowedIds(allowed),
                      never_twice);
  Sampling sampling{.max_new_tokens = 7, .temperature = 0.8};
  const TokenIds prompt = some_ids(5, 1);
  const Completion sample = generator.run({{.prompt = prompt, .sampling = sampling}})[0][0];
  TokenIds sorted = sample.ids;
  std::ranges::sort(sorted);
  CHECK(sorted == allowed);
  CHECK(sample.logps.back() == 0.0F);  // one id was left
  const auto expected = scored(model, gate, prompt, sample.ids, 0.8);
  REQUIRE(sample.plain_logps.size() == expected.size());
  for (std::size_t t = 0; t < expected.size(); ++t) {
    CHECK(std::abs(sample.plain_logps[t] - expected[t]) < 1e-5);
  }
  static_assert(!LogitsProcessor<int>);
}

TEST_CASE("entropy and the likeliest ids are recorded where they are asked for", "[generate]") {
  const models::Decoder model = tiny_model();
  const FrozenState gate = Frozen{}.attach(model);
  Sampling sampling = kWarm;
  sampling.entropy = true;
  sampling.top_logps = 3;
  const TokenIds prompt = some_ids(5, 1);
  const auto groups = Generator(model, gate, {})
                          .run({{.prompt = prompt, .sampling = sampling},
                                {.prompt = prompt, .sampling = kWarm, .first_sample = 1}});
  const Completion& sample = groups[0][0];
  CHECK(groups[1][0].entropy.empty());
  CHECK(groups[1][0].top.empty());
  at::NoGradGuard no_grad;
  TokenIds ids = prompt;
  for (std::size_t t = 0; t < sample.ids.size(); ++t) {
    const Tensor logp = at::log_softmax(logits_after(model, gate, ids), 0);
    CHECK(sample.entropy[t] == Approx(-(logp.exp() * logp).sum().item<double>()).epsilon(1e-6));
    REQUIRE(sample.top[t].size() == 3);
    const auto [values, indices] = logp.topk(3);
    for (std::int64_t k = 0; k < 3; ++k) {
      const LikelyToken& likely = sample.top[t][static_cast<std::size_t>(k)];
      CHECK(likely.id == indices[k].item<std::int64_t>());
      CHECK(likely.logp == Approx(values[k].item<double>()).epsilon(1e-6));
    }
    ids.push_back(sample.ids[t]);
  }
}

TEST_CASE("guesses that are drawn save steps, and samples stay the same", "[generate]") {
  const text::ChatTokenizer letters = tiny_tokenizer();
  const ChattyModel model(&letters);
  const FrozenState gate = Frozen{}.attach(model);
  // Greedy text of a small model soon repeats itself.
  Sampling sampling{.max_new_tokens = 40, .temperature = 0.0, .repetition_penalty = 1.0};
  for (const double penalty : {1.0, 1.05}) {
    sampling.repetition_penalty = penalty;
    const std::vector<Request> requests{{.prompt = {1, 2, 3}, .sampling = sampling},
                                        {.prompt = {4, 5}, .sampling = sampling}};
    Generator plain(model, gate, {});
    Generator guessing(model, gate, {}, {.draft_ngrams = 2, .draft_tokens = 4});
    const auto expected = plain.run(requests), groups = guessing.run(requests);
    CHECK(ids_of(groups) == ids_of(expected));
    for (std::size_t i = 0; i < groups.size(); ++i) {
      for (std::size_t t = 0; t < groups[i][0].logps.size(); ++t) {
        CHECK(std::abs(groups[i][0].logps[t] - expected[i][0].logps[t]) < 1e-5);
      }
    }
    if (penalty > 1.0) continue;
    CHECK(guessing.counts().accepted_drafts > 0);
    CHECK(guessing.counts().steps < plain.counts().steps);
    CHECK(guessing.counts().sampled_tokens == plain.counts().sampled_tokens);
  }
}

TEST_CASE("requests wait for room, and one that can never have it is an error", "[generate]") {
  const models::Decoder model = tiny_model();
  const FrozenState gate = Frozen{}.attach(model);
  const std::int64_t row = 2 * 2 * 2 * 4 * 8;  // layers, keys and values, heads, size, double
  const std::vector<Request> requests = some_requests(kWarm);
  const std::vector<TokenIds> all = ids_of(Generator(model, gate, {}).run(requests));
  // The longest prompt has 11 or 16 tokens, a tail 8.
  for (const std::int64_t rows : {24, 25, 31, 40, 47, 64}) {
    Generator generator(model, gate, {}, {.max_cache_bytes = rows * row});
    CHECK(ids_of(generator.run(requests)) == all);
    CHECK(generator.cache_bytes() <= rows * row);
    Generator keeping(model, gate, {},
                      {.max_cache_bytes = rows * row, .idle_cache_bytes = 1 << 20});
    CHECK(ids_of(keeping.run(requests)) == all);
    CHECK(ids_of(keeping.run(requests)) == all);
  }
  Generator small(model, gate, {}, {.max_cache_bytes = 20 * row});
  CHECK_THROWS_WITH(
      small.add({.prompt = some_ids(13, 1), .sampling = kWarm, .prompt_index = 7}),
      "prompt 7: expected keys and values of 13 + 8 tokens to fit into max_cache_bytes = 5120, "
      "they take 5376 bytes");
}

TEST_CASE("published weights change the next sample and end those in work", "[generate]") {
  const models::Decoder model = tiny_model();
  auto state = Full{}.attach(model);
  const TokenIds prompt = some_ids(6, 1);
  Generator generator(model, state, {}, {.idle_cache_bytes = 1 << 20});
  const Request request{.prompt = prompt, .sampling = kGreedy};
  const TokenIds before = generator.run({request})[0][0].ids;
  {
    at::NoGradGuard no_grad;
    for (ParameterGroup& group : state.trainable()) group.master.mul_(-0.5);
  }
  const std::uint64_t version = state.weights_version();
  state.publish();
  CHECK(state.weights_version() == version + 1);
  const TokenIds after = generator.run({request})[0][0].ids;
  CHECK(after != before);
  CHECK(after == slow_greedy(model, state, prompt, 12));

  generator.add(request);
  generator.step();
  state.publish();
  CHECK_THROWS_WITH(generator.step(),
                    Catch::Contains("expected the weights' version") && Catch::Contains("clear()"));
  CHECK(generator.idle());
  CHECK(generator.run({request})[0][0].ids == after);
}

TEST_CASE("requests come and go between steps", "[generate]") {
  const models::Decoder model = tiny_model();
  const FrozenState gate = Frozen{}.attach(model);
  const std::vector<Request> requests = some_requests(kWarm);
  const std::vector<TokenIds> all = ids_of(Generator(model, gate, {}).run(requests));
  Generator generator(model, gate, {}, {.max_live = 4});
  std::map<std::pair<std::int64_t, std::int64_t>, TokenIds> found;
  std::size_t next = 0;
  const std::int64_t dropped =
      generator.add({.prompt = some_ids(9, 77), .sampling = {.max_new_tokens = 100}, .samples = 6});
  bool more = true;
  for (int step = 0; more || next < requests.size(); ++step) {
    if (next < requests.size() && step % 2 == 0) generator.add(requests[next++]);
    if (step == 5) generator.cancel(dropped);
    more = generator.step();
    for (Completion& sample : generator.take()) {
      found[{sample.request, sample.sample}] = std::move(sample.ids);
    }
  }
  std::vector<TokenIds> in_order;
  for (auto& [key, ids] : found) {
    CHECK(key.first != dropped);
    in_order.push_back(std::move(ids));
  }
  CHECK(in_order == all);
}

TEST_CASE("running requests leaves the samples of earlier ones to be taken", "[generate]") {
  const models::Decoder model = tiny_model();
  const FrozenState gate = Frozen{}.attach(model);
  Generator generator(model, gate, {});
  const std::int64_t earlier =
      generator.add({.prompt = some_ids(6, 1), .sampling = kWarm, .samples = 2});
  const auto groups = generator.run({{.prompt = some_ids(4, 2), .sampling = kWarm}});
  CHECK(groups.size() == 1);
  const std::vector<Completion> left = generator.take();
  REQUIRE(left.size() == 2);
  CHECK(left[0].request == earlier);
  CHECK(left[1].ids.size() == 9);
}

TEST_CASE("requests that cannot be served are refused in one line", "[generate]") {
  const models::Decoder model = tiny_model();
  const FrozenState gate = Frozen{}.attach(model);
  Generator generator(model, gate, {});
  CHECK_THROWS_WITH(generator.add({.prompt = {}, .prompt_index = 4}),
                    "prompt 4: expected at least one token, got none");
  CHECK_THROWS_WITH(generator.add({.prompt = {1, 50}, .prompt_index = 4}),
                    "prompt 4: expected ids from 0 to 49, got 50");
  CHECK_THROWS_WITH(generator.add({.prompt = {1}, .samples = 0}),
                    "prompt 0: expected at least one sample, got 0");
  CHECK_THROWS_WITH(generator.add({.prompt = {1}, .sampling = {.temperature = -1.0}}),
                    Catch::Contains("Sampling.temperature"));
  CHECK_THROWS_WITH(generator.add({.prompt = {1}, .sampling = {.stop_strings = {"x"}}}),
                    Catch::Contains("stop_strings need a tokenizer"));
  CHECK_THROWS_WITH(GeneratorOptions{.max_live = 0}.validate(), Catch::Contains("max_live"));
  CHECK_THROWS_WITH(GeneratorOptions{.max_cache_bytes = -1}.validate(),
                    Catch::Contains("max_cache_bytes"));
  CHECK_THROWS_WITH(GeneratorOptions{.prompt_chunk = 0}.validate(),
                    Catch::Contains("prompt_chunk"));
  CHECK_THROWS_WITH(GeneratorOptions{.idle_cache_bytes = -1}.validate(),
                    Catch::Contains("idle_cache_bytes"));
  CHECK_THROWS_WITH(GeneratorOptions{.draft_ngrams = -1}.validate(),
                    Catch::Contains("draft_ngrams"));
  CHECK_THROWS_WITH(GeneratorOptions{.sync_every = 0}.validate(), Catch::Contains("sync_every"));
  CHECK_THROWS_WITH(GeneratorOptions{.draft_tokens = 0}.validate(),
                    Catch::Contains("draft_tokens"));
  CHECK(generator.idle());
}

TEST_CASE("a model with learned positions ends its samples there", "[generate]") {
  models::DecoderConfig config = tiny_config();
  config.learned_positions = true;
  config.max_positions = 10;
  config.ropes.clear();
  config.layers = {{0, -1}, {4, -1}};
  const models::Decoder model(config, {.dtype = at::kDouble, .device = test_device()});
  const FrozenState gate = Frozen{}.attach(model);
  Generator generator(model, gate, {});
  CHECK(generator.run({{.prompt = some_ids(8, 1), .sampling = kGreedy}})[0][0].ids ==
        slow_greedy(model, gate, some_ids(8, 1), 3));
  CHECK(generator.run({{.prompt = some_ids(10, 1), .sampling = kGreedy}})[0][0].ids.size() == 1);
  CHECK_THROWS_WITH(generator.add({.prompt = some_ids(11, 1), .prompt_index = 3}),
                    "prompt 3: expected a prompt of at most 10 tokens (the model's learned "
                    "positions), got 11");
}

TEST_CASE("logits that are not finite name the sample and drop what is half done", "[generate]") {
  const models::Decoder model = tiny_model(at::kFloat);
  auto state = Full{}.attach(model);
  {
    at::NoGradGuard no_grad;
    for (ParameterGroup& group : state.trainable()) {
      group.master.fill_(std::numeric_limits<double>::quiet_NaN());
    }
    state.publish();
  }
  Generator generator(model, state, {});
  generator.add({.prompt = {1, 2, 3}, .sampling = kWarm, .prompt_index = 6, .first_sample = 2});
  CHECK_THROWS_WITH(generator.step(),
                    Catch::Contains("the logits of sample 2 of prompt 6 at position 3"));
  CHECK(generator.idle());
}

TEST_CASE("where rotary frequencies depend on the length, keys are those of the sequence",
          "[generate]") {
  models::DecoderConfig config = tiny_config();
  config.ropes[0].dynamic = true;
  config.ropes[0].original_length = 10;
  config.ropes[0].long_inv_freq = {0.7F, 0.02F};
  config.ropes[0].attention_factor = 1.3;
  const models::Decoder model(config, {.dtype = at::kDouble, .device = test_device()});
  const FrozenState gate = Frozen{}.attach(model);
  // Prompts that end before, at and behind the border, all with one beginning.
  const TokenIds text = some_ids(14, 1);
  std::vector<Request> requests;
  for (const std::ptrdiff_t length : {3, 9, 10, 11, 14}) {
    requests.push_back(
        {.prompt = {text.begin(), text.begin() + length}, .sampling = kGreedy, .samples = 2});
  }
  const std::int64_t row = 2 * 2 * 2 * 4 * 8;
  for (const GeneratorOptions& options :
       std::vector<GeneratorOptions>{{},
                                     {.max_cache_bytes = 25 * row},
                                     {.prompt_chunk = 3, .idle_cache_bytes = 1 << 20},
                                     {.draft_ngrams = 1, .draft_tokens = 4}}) {
    const auto groups = Generator(model, gate, {}, options).run(requests);
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const TokenIds expected = slow_greedy(model, gate, requests[i].prompt, 12);
      CHECK(groups[i][0].ids == expected);
      CHECK(groups[i][1].ids == expected);
    }
  }
}

TEST_CASE("exact: a row's bits are the same anywhere, and those that training gives",
          "[generate][C16]") {
  const models::Decoder wide = tiny_model(at::kDouble);
  const FrozenState of_doubles = Frozen{}.attach(wide);
  CHECK_THROWS_WITH(Generator(wide, of_doubles, {}, GeneratorOptions{.exact = true}),
                    Catch::Contains("float32 and bfloat16 on the CPU"));
  const auto here = at::TensorOptions(test_device()).dtype(at::kFloat);
  if (!PackedMatrix::packs(at::empty({1, 1}, here))) return;
  // Heads and widths that the kernels take, two layers, one with a window.
  models::DecoderConfig config = tiny_config();
  config.hidden_size = 32;
  config.head_dim = 8;
  config.intermediate_size = 48;
  config.ropes[0].inv_freq = {1.0F, 0.3F, 0.1F, 0.03F};
  config.ropes[0].rotary_dim = 8;
  config.layers = {{0, 0}, {70, 0}};
  const TokenIds long_prompt = some_ids(90, 4), short_prompt = some_ids(7, 5);
  const auto check = [&](const models::Decoder& model, const auto& state, double temperature) {
    INFO(c10::toString(model.dtype()) << ", temperature " << temperature);
    const Sampling sampling{.max_new_tokens = 75, .temperature = temperature, .seed = 3};
    std::vector<Request> requests{{.prompt = long_prompt, .sampling = sampling, .samples = 3},
                                  {.prompt = short_prompt, .sampling = sampling, .samples = 2}};
    const auto groups = Generator(model, state, {}, GeneratorOptions{.exact = true}).run(requests);
    for (const GeneratorOptions& options :
         std::vector<GeneratorOptions>{{.max_live = 1, .exact = true},
                                       {.max_live = 4, .prompt_chunk = 33, .exact = true},
                                       {.draft_ngrams = 1, .exact = true}}) {
      const auto others = Generator(model, state, {}, options).run(requests);
      for (std::size_t i = 0; i < groups.size(); ++i) {
        for (std::size_t s = 0; s < groups[i].size(); ++s) {
          CHECK(others[i][s].ids == groups[i][s].ids);
          CHECK((others[i][s].logps == groups[i][s].logps));
        }
      }
    }
    // Scored as training does: the prompt once, its samples behind it.
    at::NoGradGuard no_grad;
    PackedMatrices packed(RowBlocks::fixed);
    const PackedMatrices::Use use(packed);
    for (std::size_t i = 0; i < groups.size(); ++i) {
      BatchBuilder builder;
      const int prompt = builder.add(requests[i].prompt);
      std::vector<float> sampled;
      for (const Completion& sample : groups[i]) {
        builder.add(sample.ids, prompt);
        builder.score(std::vector<float>(sample.ids.size(), 1.0F));
        builder.end_sequence();
        sampled.insert(sampled.end(), sample.logps.begin(), sample.logps.end());
      }
      const TokenBatch batch = prepared(state, std::move(builder).build()).to(model.device());
      const auto logits = [&](const Tensor& rows) {
        const Tensor z = model.logits(state, rows);
        return temperature == 1.0 ? z : z / temperature;
      };
      const Tensor logps =
          score_predictions(logits, model.hidden(state, batch), batch, {}, 64).logp.to(at::kCPU);
      const auto* scores = logps.template const_data_ptr<float>();
      CHECK((std::vector<float>(scores, scores + logps.numel()) == sampled));
    }
  };
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const models::Decoder model(config, {.dtype = dtype, .device = test_device()});
    check(model, Frozen{}.attach(model), 1.0);
    check(model, Frozen{}.attach(model), 0.7);
    auto lora = Lora{.rank = 2}.attach(model);
    disturb(lora, 0.3);
    check(model, lora, 1.0);
    check(model, QLora{.rank = 2}.attach(model), 1.0);
    check(model, PrefixTuning{.num_virtual_tokens = 3}.attach(model), 1.0);
    check(model, PromptTuning{.num_virtual_tokens = 3}.attach(model), 1.0);
  }
}

TEST_CASE("packed matrices are counted, given back, and change nothing but rounding",
          "[generate]") {
  const models::Decoder model = tiny_model(at::kFloat);
  const FrozenState gate = Frozen{}.attach(model);
  const std::vector<Request> requests = some_requests(kWarm);
  Generator packed(model, gate, {});
  Generator plain(model, gate, {}, {.pack_weights = false});
  const auto groups = packed.run(requests), others = plain.run(requests);
  CHECK(ids_of(groups) == ids_of(others));
  CHECK(plain.packed_bytes() == 0);
  packed.clear();
  CHECK(packed.packed_bytes() == 0);
  CHECK(packed.cache_bytes() == 0);
  CHECK(ids_of(packed.run(requests)) == ids_of(groups));
  CHECK_THROWS_WITH((GeneratorOptions{.pack_weights = false, .exact = true}.validate()),
                    Catch::Contains("exact needs pack_weights"));
}
