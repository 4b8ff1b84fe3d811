// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/frozen.hpp"

#include <map>

#include "posttrain/params/full.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("a frozen model computes what the trained one starts from", "[params]") {
  for (const auto type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    INFO(at::toString(type));
    const models::Decoder model = tiny_model(type);
    const auto frozen = Frozen{}.attach(model);
    const auto full = Full{}.attach(model);
    const TokenBatch batch = batch_of({some_sequence(9, 1), some_sequence(5, 2)});
    const Tensor logits = model.logits(frozen, model.hidden(frozen, batch));
    CHECK(at::equal(logits, model.logits(full, model.hidden(full, batch)).detach()));
    CHECK_FALSE(logits.requires_grad());  // no graph, even outside of a NoGradGuard
  }
}

TEST_CASE("frozen weights are held once, in the compute dtype", "[params]") {
  const models::Decoder model = tiny_model(at::kBFloat16);
  const auto frozen = Frozen{}.attach(model);
  CHECK(frozen.trainable().empty());
  CHECK(frozen.gradients().empty());
  std::int64_t numbers = 0;
  std::map<const void*, std::size_t> memory;
  for (const NamedTensor& weight : frozen.weights()) {
    CHECK(weight.value.scalar_type() == at::kBFloat16);
    numbers += weight.value.numel();
    memory[weight.value.storage().data()] = weight.value.storage().nbytes();
  }
  std::size_t held = 0;
  for (const auto& [start, bytes] : memory) held += bytes;
  CHECK(frozen.bytes() == 2 * numbers);
  CHECK(static_cast<std::int64_t>(held) == 2 * numbers);

  // Full fine-tuning holds value, master and gradient of each: 2 + 4 + 4 bytes.
  const auto full = Full{}.attach(model);
  std::int64_t trained = 0;
  for (const ParameterGroup& group : full.trainable()) {
    for (const Tensor& flat : {group.value, group.master, group.grad}) {
      trained += flat.numel() * static_cast<std::int64_t>(flat.element_size());
    }
  }
  CHECK(trained >= 5 * frozen.bytes());
}

TEST_CASE("gradients pass through a frozen model", "[params]") {
  const models::Decoder model = tiny_model();
  const auto frozen = Frozen{}.attach(model);
  const Tensor rows = at::ones({3, 16}, at::kDouble).to(test_device()).requires_grad_();
  model.logits(frozen, rows).sum().backward();
  const auto full = Full{}.attach(model);
  const Tensor same = at::ones({3, 16}, at::kDouble).to(test_device()).requires_grad_();
  model.logits(full, same).sum().backward();
  CHECK(same.grad().abs().max().item<double>() > 0.0);
  CHECK(at::equal(rows.grad(), same.grad()));
}
