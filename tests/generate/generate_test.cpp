// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/generate.hpp"

#include "posttrain/params/frozen.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("one continuation is a generator's only sample", "[generate]") {
  const models::Decoder model = tiny_model();
  const FrozenState gate = Frozen{}.attach(model);
  const TokenIds prompt = some_ids(6, 1);
  const Sampling sampling{.max_new_tokens = 12, .temperature = 0.9, .seed = 5};
  const Completion sample = generate(model, gate, prompt, {}, sampling);
  CHECK(sample.ids.size() == 12);
  CHECK(sample.finish == FinishReason::length);
  CHECK(Generator(model, gate, {}).run({{.prompt = prompt, .sampling = sampling}})[0][0].ids ==
        sample.ids);
  const TokenId stop = sample.ids[3];
  const Completion stopped = generate(model, gate, prompt, {stop}, sampling);
  const auto first = std::ranges::find(sample.ids, stop);
  CHECK(stopped.ids == TokenIds(sample.ids.begin(), first + 1));
  CHECK(stopped.finish == FinishReason::stop_id);
  CHECK_THROWS_WITH(generate(model, gate, {}, {}), Catch::Contains("at least one token"));
}
