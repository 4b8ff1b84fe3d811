// SPDX-License-Identifier: Apache-2.0
// The prefix alone; what it shares with a soft prompt is tested in params/prompt_tuning_test.cpp.
#include "posttrain/params/prefix_tuning.hpp"

#include "support/catch.hpp"
#include "support/small_model.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// Says that it has attention, but cannot be asked for the keys and values of tokens.
struct Unreadable : SmallModel {
  Layout layout() const {
    Layout all = SmallModel::layout();
    all.attention = {2, 4, 2, 4};
    return all;
  }
};

}  // namespace

TEST_CASE("gradients of a layer's keys and values go to their place", "[params][prompt]") {
  const models::Decoder model = tiny_model();
  auto state = PrefixTuning{.num_virtual_tokens = 3, .init = PrefixInit::zero}.attach(model);
  const auto [keys, values] = state.prefix(1);
  CHECK(keys.sizes() == at::IntArrayRef({3, 2, 4}));  // [n, Hkv, D]
  (keys.sum() + values.sum() * 2.0).backward();
  const Tensor gradient = state.gradients().at(0).value.view({3, 2, 2, 2, 4});
  CHECK(gradient.select(1, 0).abs().max().item<double>() == 0.0);
  CHECK(gradient.select(1, 1).select(1, 0).eq(1.0).all().item<bool>());
  CHECK(gradient.select(1, 1).select(1, 1).eq(2.0).all().item<bool>());
}

TEST_CASE("a prefix adds keys to every query, and no tokens", "[params][prompt]") {
  const models::Decoder model = tiny_model();
  const auto state = PrefixTuning{.num_virtual_tokens = 3, .init = PrefixInit::zero}.attach(model);
  const TokenBatch batch = batch_of({some_sequence(7, 1), some_sequence(5, 2)});
  const TokenBatch ready = state.prepare(batch);
  CHECK(ready.virtual_tokens == 3);
  CHECK(at::equal(ready.ids, batch.ids));
  CHECK(ready.nodes[0].position == 3);
  CHECK(ready.nodes[1].position == 3);
  at::NoGradGuard no_grad;
  // Keys of zeros take their share of the attention, even of a first token.
  const Tensor with = model.hidden(state, ready), without = model.hidden(state.reference(), batch);
  CHECK(relative_error(with.narrow(0, 0, 1), without.narrow(0, 0, 1)) > 1e-3);
}

TEST_CASE("a prefix needs attention to stand in, and a model to read its first tokens",
          "[params][prompt]") {
  CHECK_THROWS_WITH(PrefixTuning{.init = PrefixInit::zero}.attach(SmallModel{}),
                    Catch::Contains("expected a model whose layout describes its attention"));
  CHECK_THROWS_WITH(PrefixTuning{}.attach(Unreadable{}),
                    Catch::Contains("expected a model with `keys_and_values(gate, ids)`"));
  const auto state =
      PrefixTuning{.num_virtual_tokens = 5, .init = PrefixInit::random}.attach(Unreadable{});
  CHECK(state.tensors().at(0).value.sizes() == at::IntArrayRef({5, 2 * 2 * 2 * 4}));
  CHECK_THROWS_WITH(state.weights(), Catch::Contains("a model's folder cannot hold a prefix"));
}
