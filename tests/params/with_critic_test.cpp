// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/with_critic.hpp"

#include <string>
#include <vector>

#include "posttrain/concepts/check.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "support/critic_check.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(has_reference<WithCritic<Lora>>() && !has_reference<WithCritic<Full>>());
static_assert(saves_model<WithCritic<Full>>() && !saves_model<WithCritic<PromptTuning>>());
static_assert(!EstimatesValues<StateOf<Lora, models::Decoder>>);

TEST_CASE("A critic on the trunk trains beside whatever else does", "[params][critic][ppo]") {
  const models::Decoder model = tiny_model(at::kDouble);
  SECTION("all weights") { check_critic_gradients(model, WithCritic{Full{}}); }
  SECTION("adapters") { check_critic_gradients(model, WithCritic{Lora{.rank = 2}}); }
  SECTION("a soft prompt") {
    check_critic_gradients(model, WithCritic{PromptTuning{.num_virtual_tokens = 3}});
  }
  SECTION("within a reference") {
    check_critic_gradients(model, WithFrozenReference{WithCritic{Full{}}});
  }
}

TEST_CASE("Without the trunk a critic's error moves its head alone", "[params][critic]") {
  const models::Decoder model = tiny_model(at::kDouble);
  for (const bool trains_trunk : {true, false}) {
    auto state = WithCritic<Full>{.params = {}, .trains_trunk = trains_trunk}.attach(model);
    {
      at::NoGradGuard no_grad;
      state.critic().tensors()[0].value.fill_(0.1);
    }
    zero_gradients(state);
    const TokenBatch batch = batch_of({some_sequence(5, 1)});
    state.critic_values(model.hidden(state, batch)).sum().backward();
    CHECK(state.critic().gradients()[1].value.item<double>() == Approx(5.0));
    const auto& groups = state.trainable();
    bool others = false;
    for (std::size_t i = 0; i + 1 < groups.size(); ++i) {
      others = others || groups[i].grad.count_nonzero().item<std::int64_t>() > 0;
    }
    CHECK(others == trains_trunk);
  }
}

TEST_CASE("The model's tensors are its own, the critic's have a file", "[params][critic]") {
  const TempFolder folder;
  const std::string file = (folder / "critic.safetensors").string();
  const models::Decoder model = tiny_model(at::kFloat);
  const auto state = WithCritic{Lora{.rank = 2}}.attach(model);
  CHECK(state.trainable().back().name == "critic");
  CHECK(state.trainable().back().lr_scale == 10.0);
  for (const NamedTensor& tensor : state.weights()) {
    CHECK(tensor.name.find("v_head") == std::string::npos);
  }
  CHECK(state.gradients().back().name == "v_head.summary.bias");
  state.critic().tensors()[0].value.fill_(0.25);
  save_critic(state, file);
  const auto again = WithCritic<Full>{.params = {}, .file = file}.attach(model);
  CHECK(at::equal(again.critic().tensors()[0].value, state.critic().tensors()[0].value));
  CHECK_THROWS_WITH((WithCritic<Full>{.params = {}, .lr_ratio = 0.0}.validate()),
                    Catch::Contains("lr_ratio must be positive"));
}
