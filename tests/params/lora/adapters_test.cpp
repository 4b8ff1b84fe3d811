// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/lora/adapters.hpp"

#include "posttrain/base/describe.hpp"
#include "posttrain/params/lora.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/lora.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("gradients of adapters agree with finite differences", "[params][lora][long]") {
  const models::Decoder model = tiny_model();
  const std::vector<Lora> policies{
      {.rank = 4},
      {.rank = 3, .alpha = 5, .target_modules = "q_proj, v_proj, down_proj", .use_rslora = true},
      {.rank = 4, .rank_pattern = "k_proj=2, layers.1=6", .use_dora = true},
      {.rank = 2, .bias = LoraBias::lora_only, .modules_to_save = "norm, embed_tokens"},
      {.rank = 2, .target_modules = "lm_head, q_proj", .bias = LoraBias::all},
      {.rank = 3, .target_modules = "all-linear, embed_tokens", .rank_pattern = "embed_tokens=5"},
      {.rank = 3, .target_modules = "embed_tokens, v_proj", .use_rslora = true, .use_dora = true},
      {.rank = 2, .target_modules = "embed_tokens, lm_head", .modules_to_save = "embed_tokens"},
      {.rank = 4, .init = LoraInit::olora}};
  for (const Lora& policy : policies) {
    INFO(describe(policy));
    auto state = policy.attach(model);
    disturb(state);
    check_gradients(model, state);
  }
}

TEST_CASE("recomputation gives the same gradients", "[params][lora]") {
  const models::Decoder model = tiny_model();
  auto state = Lora{.rank = 4, .dropout = 0.3, .use_dora = true}.attach(model);
  disturb(state);
  const auto gradient = [&](bool checkpointing) {
    zero_gradients(state);
    state.begin_batch(some_batch(), 1, 2);
    add_gradients(model, state, some_batch(), NextToken{}, 1.0,
                  {.gradient_checkpointing = checkpointing});
    state.end_batch();
    return flat_gradient(state);
  };
  CHECK(relative_error(gradient(true), gradient(false)) < 1e-13);
}
