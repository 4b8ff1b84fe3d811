// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/pipeline/stream.hpp"

#include <algorithm>

#include "support/catch.hpp"

using namespace posttrain;
using data::LoadContext;
using data::LoadedData;
using data::TokenStream;

namespace {

/// Sequences of 2, 3, 4, … tokens with ids below 30, every token scored.
LoadedData loaded(int train, int validation = 0) {
  LoadedData data;
  for (int i = 0; i < train + validation; ++i) {
    Sequence sequence;
    for (int t = 0; t < 2 + i % 5; ++t) {
      sequence.ids.push_back((i + 3 * t) % 30);
      sequence.weights.push_back(t == 0 ? 0.0F : 1.0F);
    }
    sequence.sample = i;
    (i < train ? data.train : data.validation).push_back(sequence);
  }
  data.report.train = train;
  return data;
}

LoadContext context(std::int64_t max_tokens = 8) {
  LoadContext context;
  context.max_tokens_per_batch = max_tokens;
  context.seed = 11;
  return context;
}

TokenStream<> stream(int train = 10, std::int64_t batch = 4, int validation = 0) {
  return TokenStream<>(loaded(train, validation), context(), batch, 30);
}

using Samples = std::vector<std::int64_t>;

Samples samples_of(const std::vector<TokenBatch>& step) {
  Samples all;
  for (const TokenBatch& batch : step) {
    all.insert(all.end(), batch.samples.begin(), batch.samples.end());
  }
  return all;
}

Samples sorted(Samples samples) {
  std::sort(samples.begin(), samples.end());
  return samples;
}

}  // namespace

TEST_CASE("an epoch draws every sequence once, in steps of the effective batch size",
          "[data][token_stream]") {
  TokenStream<> tokens = stream();
  CHECK(tokens.steps_per_epoch() == 3);
  Samples drawn;
  std::vector<std::size_t> sizes;
  while (const auto step = tokens.next()) {
    const Samples samples = samples_of(*step);
    sizes.push_back(samples.size());
    drawn.insert(drawn.end(), samples.begin(), samples.end());
    for (const TokenBatch& batch : *step) {
      CHECK(batch.tokens() <= 8);
      CHECK(batch.nodes.size() == batch.samples.size());
      CHECK(batch.predictions() == batch.tokens() - static_cast<std::int64_t>(batch.nodes.size()));
    }
  }
  CHECK(sizes == std::vector<std::size_t>{4, 4, 2});
  CHECK(sorted(drawn) == Samples{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("an epoch's end is announced with its last step and once more by nothing",
          "[data][token_stream]") {
  TokenStream<> tokens = stream();
  for (int epoch = 0; epoch < 2; ++epoch) {
    for (int step = 0; step < 3; ++step) {
      REQUIRE(tokens.next());
      CHECK(tokens.position().epoch == epoch);
      CHECK(tokens.at_epoch_end() == (step == 2));
    }
    CHECK_FALSE(tokens.next());
    CHECK(tokens.position() == data::SamplerPosition{epoch + 1, 0});
  }
}

TEST_CASE("epochs differ in order, runs with one seed do not", "[data][token_stream]") {
  const auto epochs = [](std::uint64_t seed) {
    LoadContext with_seed = context();
    with_seed.seed = seed;
    TokenStream<> tokens(loaded(30), with_seed, 30, 30);
    std::vector<Samples> all;
    for (int epoch = 0; epoch < 2; ++epoch) {
      all.push_back(samples_of(*tokens.next()));
      CHECK_FALSE(tokens.next());
    }
    return all;
  };
  CHECK(epochs(1) == epochs(1));
  CHECK(epochs(1)[0] != epochs(1)[1]);
  CHECK(epochs(1)[0] != epochs(2)[0]);
}

TEST_CASE("seeking goes on exactly where a position was taken", "[data][token_stream][C25]") {
  TokenStream<> whole = stream();
  std::vector<Samples> steps;
  std::vector<data::SamplerPosition> positions;
  while (steps.size() < 8) {
    positions.push_back(whole.position());
    const auto step = whole.next();
    if (!step) {
      positions.pop_back();
      continue;
    }
    steps.push_back(samples_of(*step));
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    TokenStream<> resumed = stream();
    resumed.seek(positions[i]);
    auto step = resumed.next();
    if (!step) step = resumed.next();  // the position was an epoch's end
    CHECK(samples_of(*step) == steps[i]);
  }
  TokenStream<> other = stream(4);
  CHECK_THROWS_WITH(other.seek({0, 3}), Catch::Contains("at most step 1"));
}

TEST_CASE("ids outside the vocabulary are refused, in validation data too",
          "[data][token_stream]") {
  LoadedData bad = loaded(1);
  bad.train.push_back({{30, 2}, {0.0F, 1.0F}, 1});
  CHECK_THROWS_WITH(TokenStream<>(bad, context(), 2, 30),
                    Catch::Contains("sample 1: expected token ids below the model's vocabulary of "
                                    "30, got 30"));
  CHECK_NOTHROW(TokenStream<>(bad, context(), 2, 31));
  CHECK_NOTHROW(TokenStream<>(bad, context(), 2, 0));  // unchecked
  LoadedData negative = loaded(3, 2);
  negative.validation.push_back({{3, -1}, {0.0F, 1.0F}, 5});
  CHECK_THROWS_WITH(TokenStream<>(negative, context(), 2, 30),
                    Catch::Contains("vocabulary of 30, got -1"));
}

TEST_CASE("validation data comes whole and in order", "[data][token_stream]") {
  CHECK_FALSE(stream().has_validation());
  const TokenStream<> tokens = stream(6, 4, 7);
  REQUIRE(tokens.has_validation());
  const std::vector<TokenBatch> batches = tokens.validation();
  CHECK(sorted(samples_of(batches)) == Samples{6, 7, 8, 9, 10, 11, 12});
  for (const TokenBatch& batch : batches) CHECK(batch.tokens() <= 8);
  CHECK(tokens.report().train == 6);
}

TEST_CASE("nothing to train on, or a sequence beyond a micro-batch, is refused",
          "[data][token_stream]") {
  CHECK_THROWS_WITH(TokenStream<>(LoadedData{}, context(), 2, 30),
                    Catch::Contains("at least one sequence"));
  CHECK_THROWS_AS(TokenStream<>(loaded(5), context(4), 2, 30), Error);
}

TEST_CASE("a policy's own packing is used", "[data][token_stream]") {
  struct Unpacked {
    data::NoPacking packing{};
    LoadedData load(const LoadContext&) const { return loaded(10); }
  };
  auto tokens = data::open_stream(Unpacked{}, context(), 4, 30);
  const auto step = tokens.next();
  REQUIRE(step);
  for (const TokenBatch& batch : *step) CHECK(batch.samples.size() == 1);
}
