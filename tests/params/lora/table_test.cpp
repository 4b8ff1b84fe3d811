// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/lora/table.hpp"

#include "posttrain/params/lora.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/kernels.hpp"
#include "support/lora.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;
using kernel_test::normal;

TEST_CASE("a table's adapter starts with A zero and B normal, and its padding row stays",
          "[params][lora]") {
  models::DecoderConfig config = tiny_config();
  config.padding_id = 21;
  const models::Decoder model(config, {.dtype = at::kDouble});
  auto state = Lora{.rank = 4, .target_modules = "embed_tokens"}.attach(model);
  REQUIRE(state.adapters().size() == 1);
  const AdapterTensors adapter = state.adapters()[0];
  CHECK(adapter.module == "model.embed_tokens");
  CHECK(adapter.a.sizes() == at::IntArrayRef{4, 50});
  CHECK(adapter.b.sizes() == at::IntArrayRef{16, 4});
  CHECK(adapter.a.abs().max().item<double>() == 0.0);
  CHECK(adapter.b.std().item<double>() == Approx(1.0).margin(0.3));
  disturb(state);
  TokenBatch batch = some_batch();
  batch.ids[3].fill_(21);
  batch.ids[9].fill_(21);
  add_gradients(model, state, batch, NextToken{});
  const Tensor gradient = state.gradients()[0].value;
  CHECK(state.gradients()[0].name == "model.embed_tokens.lora_embedding_A");
  int moved = 0;
  for (std::int64_t id = 0; id < 50; ++id) {
    if (gradient.select(1, id).abs().max().item<double>() == 0.0) continue;
    ++moved;
    CHECK((batch.ids == id).any().item<bool>());
    CHECK(id != 21);
  }
  CHECK(moved > 10);
}

TEST_CASE("rows of an adapted table are those of its merged one, with DoRA, too",
          "[params][lora]") {
  const Tensor w = normal({9, 5}, 1), ids = at::tensor({3, 0, 3}, at::kLong);
  TableAdapter adapter;
  adapter.rank = 2;
  adapter.scale = 1.5;
  const auto view = [](const Tensor& t) { return ParameterView{t, t, at::zeros_like(t)}; };
  adapter.a = view(normal({9, 2}, 2));
  adapter.b = view(normal({5, 2}, 3));
  const Tensor anchor = at::zeros({}, at::kDouble).requires_grad_();
  const Tensor sum = w + adapter.a.value.matmul(adapter.b.value.t()) * 1.5;
  CHECK(relative_error(adapter.merged(w), sum) < 1e-14);
  CHECK(relative_error(adapter.column_norms(w), sum.square().sum(0).sqrt()) < 1e-14);
  const Tensor plain = adapter.embed(w.index_select(0, ids), ids, anchor);
  CHECK(relative_error(plain.detach(), sum.index_select(0, ids)) < 1e-14);
  // A row that comes twice gets both gradients, any other none.
  plain.sum().backward();
  const Tensor expected = at::zeros({9, 2}, at::kDouble);
  const Tensor of_row = adapter.b.value.sum(0) * 1.5;
  expected[3].copy_(of_row * 2);
  expected[0].copy_(of_row);
  CHECK(relative_error(adapter.a.grad, expected) < 1e-14);

  adapter.magnitude = view(normal({5}, 4).abs());
  adapter.norm = adapter.column_norms(w);
  const Tensor turned = sum * (adapter.magnitude.value / adapter.norm);
  CHECK(relative_error(adapter.merged(w), turned) < 1e-14);
  CHECK(relative_error(adapter.embed(w.index_select(0, ids), ids, anchor).detach(),
                       turned.index_select(0, ids)) < 1e-14);
}
