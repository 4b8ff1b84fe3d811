// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/reward_decoder.hpp"

#include "posttrain/params/frozen.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("a reward decoder is the body of its configuration under one row of head", "[models]") {
  const models::RewardDecoder model(tiny_config(),
                                    {.dtype = at::kDouble, .device = test_device(), .seed = 1});
  static_assert(models::RewardDecoder::predicts_rewards);
  CHECK_FALSE(model.config().tied);
  CHECK(model.config().final_softcap == 0.0);
  CHECK(model.config().attention_softcap == 3.0);  // the body's own stays
  const FrozenState gate = Frozen{}.attach(model);
  const models::Decoder language = tiny_model();
  const FrozenState language_gate = Frozen{}.attach(language);
  const TokenBatch batch = batch_of({some_sequence(9, 1)});
  const Tensor hidden = model.hidden(gate, batch);
  CHECK(at::equal(hidden, language.hidden(language_gate, batch)));
  const Tensor rewards = model.logits(gate, hidden);
  CHECK(rewards.sizes() == at::IntArrayRef({9, 1}));
  for (const NamedTensor& weight : gate.weights()) {
    if (weight.name != "score.weight") continue;
    REQUIRE(weight.value.sizes() == at::IntArrayRef({1, 16}));
    CHECK(relative_error(rewards, hidden.matmul(weight.value.t())) < 1e-12);
    return;
  }
  FAIL("no score.weight");
}
