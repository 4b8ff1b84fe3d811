// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/with_critic_model.hpp"

#include <string>

#include "posttrain/concepts/params.hpp"
#include "posttrain/models/reward_decoder.hpp"
#include "posttrain/params/lora.hpp"
#include "support/critic_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// Wider than the policy's model, with the same vocabulary.
models::RewardDecoder some_critic(at::ScalarType dtype, std::int64_t vocab = 50) {
  models::DecoderConfig config = tiny_config();
  config.vocab_size = vocab;
  config.hidden_size = 20;
  return models::RewardDecoder(config, {.dtype = dtype, .device = test_device(), .seed = 5});
}

}  // namespace

TEST_CASE("A critic of its own trains beside the policy", "[params][critic][ppo]") {
  const models::Decoder model = tiny_model(at::kDouble);
  const models::RewardDecoder critic = some_critic(at::kDouble);
  SECTION("all weights of both") {
    check_critic_gradients(model, WithCriticModel{Full{}, critic, Full{}});
  }
  SECTION("adapters of both") {
    check_critic_gradients(model, WithCriticModel{Lora{.rank = 2}, critic,
                                                  Lora{.rank = 2, .modules_to_save = "score"}});
  }
}

TEST_CASE("Values of a critic of its own are its rewards at every token", "[params][critic]") {
  at::NoGradGuard no_grad;
  const models::Decoder model = tiny_model(at::kFloat);
  const models::RewardDecoder critic = some_critic(at::kFloat);
  const auto state = WithCriticModel{Full{}, critic, Full{}}.attach(model);
  const auto alone = Full{}.attach(critic);
  const TokenBatch batch = batch_of({some_sequence(6, 1), some_sequence(4, 2)});
  const Tensor rows = state.critic_hidden(batch);
  CHECK(rows.size(1) == 20);
  CHECK(state.critic_values(rows).allclose(
      critic.logits(alone, critic.hidden(alone, batch)).flatten(), 1e-5, 1e-6));
  const std::string first = state.trainable().front().name;
  bool named = false;
  for (const ParameterGroup& group : state.trainable()) named |= group.name == "critic." + first;
  CHECK(named);
}

TEST_CASE("A critic that cannot read what the policy writes is refused", "[params][critic]") {
  const models::Decoder model = tiny_model(at::kFloat);
  const models::RewardDecoder other = some_critic(at::kFloat, 51), wide = some_critic(at::kDouble);
  CHECK_THROWS_WITH((WithCriticModel{Full{}, other, Full{}}.attach(model)),
                    Catch::Contains("vocabulary of 50 ids, got 51"));
  CHECK_THROWS_WITH((WithCriticModel{Full{}, wide, Full{}}.attach(model)),
                    Catch::Contains("expected a critic of the policy's dtype"));
  CHECK_THROWS_WITH((WithCriticModel{Lora{.rank = 0}, other, Full{}}.validate()),
                    Catch::Contains("rank"));
}
