// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/lora/state.hpp"

#include "posttrain/base/describe.hpp"
#include "posttrain/params/lora.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/lora.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("adapters start as the base and their reference stays it", "[params][lora]") {
  for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const models::Decoder model = tiny_model(dtype);
    const FullState full = Full{}.attach(model);
    auto state = Lora{.rank = 4}.attach(model);
    CHECK(at::equal(hidden_of(state, model), hidden_of(full, model)));
    disturb(state);
    CHECK_FALSE(at::equal(hidden_of(state, model), hidden_of(full, model)));
    CHECK(at::equal(hidden_of(state.reference(), model), hidden_of(full, model)));
  }
}

TEST_CASE("the merged model is the adapted one", "[params][lora]") {
  const models::Decoder model = tiny_model();
  for (const Lora& policy : std::vector<Lora>{{.rank = 4},
                                              {.rank = 4, .use_dora = true},
                                              {.rank = 4, .init = LoraInit::olora},
                                              {.rank = 4, .init = LoraInit::pissa},
                                              {.use_dora = true, .init = LoraInit::olora},
                                              {.rank = 4, .modules_to_save = "norm"}}) {
    INFO(describe(policy));
    auto state = policy.attach(model);
    disturb(state);
    const models::Decoder alone = merged(state);
    CHECK(alone.config().tied);
    CHECK(relative_error(logits_of(Full{}.attach(alone), alone), logits_of(state)) < 1e-12);
  }
}

TEST_CASE("the reference is the model before training, whatever of the base trains",
          "[params][lora][C23][long]") {
  const models::Decoder model = tiny_model();
  const std::vector<Lora> policies{
      {.modules_to_save = "norm"},
      {.bias = LoraBias::all},
      {.modules_to_save = "embed_tokens"},
      {.modules_to_save = "embed_tokens, lm_head"},
      {.modules_to_save = "embed_tokens", .ensure_weight_tying = true},
      {.target_modules = "q_proj", .modules_to_save = "k_proj, down_proj"},
      {.rank = 4, .init = LoraInit::olora, .bias = LoraBias::lora_only, .modules_to_save = "norm"}};
  for (const Lora& policy : policies) {
    INFO(describe(policy));
    auto state = policy.attach(model);
    const Tensor start = logits_of(state.reference()), hidden = hidden_of(state.reference());
    CHECK(relative_error(logits_of(state), start) < 1e-14);
    disturb(state);
    CHECK(relative_error(logits_of(state), start) > 1e-3);
    CHECK(at::equal(logits_of(state.reference()), start));
    CHECK(at::equal(hidden_of(state.reference()), hidden));
    // What trains goes on training: the reference took copies.
    zero_gradients(state);
    check_gradients(model, state);
  }
}

TEST_CASE("merging into one of two tied tensors unties them", "[params][lora][C5][C23]") {
  const models::Decoder model = tiny_model();
  for (const Lora& policy : std::vector<Lora>{{.target_modules = "lm_head"},
                                              {.target_modules = "embed_tokens"},
                                              {.target_modules = "lm_head, embed_tokens"},
                                              {.target_modules = "embed_tokens", .use_dora = true},
                                              {.target_modules = "all-linear, embed_tokens"}}) {
    INFO(describe(policy));
    auto state = policy.attach(model);
    const Tensor start = logits_of(state.reference());
    CHECK(relative_error(logits_of(state), start) < 1e-15);
    disturb(state);
    CHECK(relative_error(logits_of(state), start) > 1e-3);
    CHECK(at::equal(logits_of(state.reference()), start));
    const models::Decoder alone = merged(state);
    CHECK_FALSE(alone.config().tied);
    CHECK(relative_error(logits_of(Full{}.attach(alone), alone), logits_of(state)) < 1e-12);
  }
}

TEST_CASE("OLoRA and PiSSA split the base without changing it", "[params][lora]") {
  const models::Decoder model = tiny_model();
  const FullState full = Full{}.attach(model);
  for (const auto& [init, dora] :
       {std::pair(LoraInit::olora, false), {LoraInit::pissa, false}, {LoraInit::olora, true}}) {
    auto state = Lora{.rank = 4, .alpha = 6, .use_dora = dora, .init = init}.attach(model);
    CHECK(relative_error(hidden_of(state), hidden_of(full)) < 1e-12);
    CHECK(at::equal(hidden_of(state), hidden_of(state.reference())));
    const Tensor before = hidden_of(state.reference());
    disturb(state);
    CHECK(at::equal(hidden_of(state.reference()), before));
    for (const AdapterTensors& adapter : state.adapters()) CHECK(adapter.a0.defined());
  }
  // PiSSA takes the largest directions: what is left of W has the smaller singular values.
  const auto state = Lora{.rank = 4, .init = LoraInit::pissa}.attach(model);
  const Tensor s = std::get<1>(at::linalg_svd(full.part(0, 0), false));
  const Tensor rest = std::get<1>(at::linalg_svd(state.base().part(0, 0), false));
  CHECK(relative_error(rest.narrow(0, 0, 12), s.narrow(0, 4, 12)) < 1e-10);
}

TEST_CASE("dropout keeps the mean, drops the stated share and follows the token",
          "[params][lora][C1]") {
  const Tensor x = at::ones({400, 50}, at::kDouble);
  const Tensor rows = at::arange(400, at::kLong);
  const Tensor y = KeyedDropout{0.25, 1, 2, rows}.apply(x, 3);
  const double dropped = y.eq(0).to(at::kDouble).mean().item<double>();
  CHECK(dropped == Approx(0.25).margin(0.02));
  CHECK(y.max().item<double>() == Approx(4.0 / 3.0).epsilon(1e-6));
  CHECK_FALSE(at::equal(y, KeyedDropout{0.25, 1, 3, rows}.apply(x, 3)));
  CHECK_FALSE(at::equal(y, KeyedDropout{0.25, 1, 2, rows}.apply(x, 4)));

  const models::Decoder model = tiny_model();
  auto state = Lora{.rank = 4, .dropout = 0.5}.attach(model);
  disturb(state);
  const std::vector<Sequence> sequences{some_sequence(7, 1), some_sequence(12, 2)};
  const auto gradient = [&](const std::vector<std::vector<Sequence>>& micro_batches) {
    zero_gradients(state);
    for (const auto& micro : micro_batches) {
      const TokenBatch batch = batch_of(micro);
      state.begin_batch(batch, 1, 2);
      add_gradients(model, state, batch, NextToken{});
      state.end_batch();
    }
    return flat_gradient(state);
  };
  const Tensor together = gradient({sequences});
  CHECK(relative_error(gradient({{sequences[1]}, {sequences[0]}}), together) < 1e-12);
  const Tensor evaluated = hidden_of(state);
  CHECK(at::equal(hidden_of(state), evaluated));  // off outside of training
}
