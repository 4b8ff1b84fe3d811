// SPDX-License-Identifier: Apache-2.0
// The weights under all parameter policies, as full fine-tuning attaches them.
#include "posttrain/params/weights/model_weights.hpp"

#include <map>

#include "posttrain/params/full.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/named_tensors.hpp"
#include "support/small_model.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;
using posttrain::test::named;
using posttrain::test::SmallModel;

TEST_CASE("everything lies in two flat buffers, matrices with decay", "[params]") {
  FullState state = Full{}.attach(SmallModel{});
  auto& groups = state.trainable();
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].decay);
  CHECK_FALSE(groups[1].decay);
  CHECK(groups[0].name != groups[1].name);
  for (const NamedTensor& weight : state.weights()) {
    const bool matrix = weight.value.dim() == 2;
    CHECK(weight.value.storage().is_alias_of(groups[matrix ? 0 : 1].master.storage()));
  }
  for (const NamedTensor& gradient : state.gradients()) {
    const bool matrix = gradient.value.dim() == 2;
    CHECK(gradient.value.storage().is_alias_of(groups[matrix ? 0 : 1].grad.storage()));
  }
  // Views of different tensors do not overlap, and the optimizer's update reaches the projections.
  double number = 0.0;
  for (const NamedTensor& weight : state.weights()) {
    Tensor view = weight.value;
    view.fill_(number += 1.0);
  }
  number = 0.0;
  for (const NamedTensor& weight : state.weights()) {
    number += 1.0;
    CHECK(weight.value.eq(number).all().item<bool>());
  }
  state.publish();
  CHECK(state.vector(0).detach()[0].item<double>() ==
        named(state.weights(), "norm.weight")[0].item<double>());
}

TEST_CASE("the gate computes with the checkpoint's matrices", "[params]") {
  const FullState state = Full{}.attach(SmallModel{});
  const Tensor x = normal({3, 4}, 1), ids = at::tensor({1, 5, 2}, at::kLong);
  const auto weight = [&](const char* name) { return named(state.weights(), name); };
  const Tensor qk = state.linear(0, x).detach();
  CHECK(relative_error(qk.narrow(1, 0, 4), x.matmul(weight("q.weight").t())) < 1e-14);
  CHECK(relative_error(qk.narrow(1, 4, 2), x.matmul(weight("k.weight").t())) < 1e-14);
  CHECK(relative_error(state.linear(1, x).detach(), x.matmul(weight("conv.weight"))) < 1e-14);
  CHECK(relative_error(state.linear(2, x).detach(), x.matmul(weight("embed.weight").t())) < 1e-14);
  CHECK(at::equal(state.embed(0, ids).detach(), weight("embed.weight").index_select(0, ids)));
}

TEST_CASE("gradients arrive under checkpoint names, transposed and tied ones too", "[params]") {
  const FullState state = Full{}.attach(SmallModel{});
  const Tensor ids = at::tensor({1, 5, 2}, at::kLong);
  // The same by autograd, on leaves of the checkpoint's shapes.
  std::map<std::string, Tensor> leaf;
  for (const NamedTensor& weight : state.weights()) {
    leaf[weight.name] = weight.value.detach().clone().contiguous().requires_grad_();
  }
  const Tensor x2 =
      leaf["embed.weight"].index_select(0, ids) * leaf["norm.weight"] + leaf["norm.bias"];
  const Tensor q = x2.matmul(leaf["q.weight"].t()) + leaf["q.bias"];
  const Tensor k = x2.matmul(leaf["k.weight"].t()) + leaf["k.bias"];
  const Tensor conv = x2.matmul(leaf["conv.weight"]) + leaf["conv.bias"];
  const Tensor head = x2.matmul(leaf["embed.weight"].t());
  const Tensor dq = normal({3, 6}, 3), dc = normal({3, 5}, 4), dh = normal({3, 6}, 5);
  ((at::cat({q, k}, 1) * dq).sum() + (conv * dc).sum() + (head * dh).sum()).backward();

  const Tensor x = state.embed(0, ids) * state.vector(0) + state.vector(1);
  ((state.linear(0, x) * dq).sum() + (state.linear(1, x) * dc).sum() +
   (state.linear(2, x) * dh).sum())
      .backward();
  for (const NamedTensor& gradient : state.gradients()) {
    INFO(gradient.name);
    Tensor expected = leaf[gradient.name].grad();
    if (gradient.name == "embed.weight") {
      // Row 2 is padding: only the tied head reaches it.
      expected = expected.clone();
      expected[2].copy_(dh.select(1, 2).unsqueeze(0).matmul(x2.detach()).squeeze(0));
    }
    CHECK(relative_error(gradient.value, expected) < 1e-13);
  }
}

TEST_CASE("a bf16 model is trained through fp32 masters that are rounded when published",
          "[params][C24]") {
  FullState state = Full{}.attach(SmallModel{.type = at::kBFloat16});
  auto& groups = state.trainable();
  for (const ParameterGroup& group : groups) {
    CHECK(group.value.scalar_type() == at::kBFloat16);
    CHECK(group.master.scalar_type() == at::kFloat);
    CHECK(group.grad.scalar_type() == at::kFloat);
    CHECK(at::equal(group.value, group.master.to(at::kBFloat16)));
  }
  CHECK(named(state.weights(), "q.weight").scalar_type() == at::kFloat);
  CHECK(state.vector(0).scalar_type() == at::kBFloat16);
  groups[1].master.add_(1e-4);
  CHECK(state.vector(0).detach()[0].item<double>() == 1.0);
  for (int i = 0; i < 100; ++i) groups[1].master.add_(1e-4);
  CHECK(state.vector(0).detach()[0].item<double>() == 1.0);  // not before it is published
  state.publish();
  CHECK(state.vector(0).detach()[0].item<double>() == Approx(1.0101).epsilon(4e-3));
  CHECK(at::equal(groups[1].value, groups[1].master.to(at::kBFloat16)));
  // fp32 and fp64 models are their own masters.
  for (const auto type : {at::kFloat, at::kDouble}) {
    FullState own = Full{}.attach(SmallModel{.type = type});
    CHECK(own.trainable()[0].value.is_same(own.trainable()[0].master));
    CHECK(own.trainable()[0].grad.scalar_type() == type);
  }
}

TEST_CASE("every attachment owns its buffers", "[params]") {
  const SmallModel model;
  FullState first = Full{}.attach(model), second = Full{}.attach(model);
  first.trainable()[0].master.zero_();
  CHECK(named(second.weights(), "q.weight").abs().sum().item<double>() > 0.0);
}

TEST_CASE("parts are read and replaced by their place", "[params]") {
  FullState state = Full{.train = "norm"}.attach(SmallModel{});
  CHECK(at::equal(state.part(0, 1), named(state.weights(), "k.weight")));
  CHECK(at::equal(state.part(1, 0), named(state.weights(), "conv.weight").t()));
  const Tensor w = normal({2, 4}, 77), x = normal({3, 4}, 1);
  state.replace_part(0, 1, w);
  CHECK(at::equal(named(state.weights(), "k.weight"), w));
  CHECK(relative_error(state.linear(0, x).narrow(1, 4, 2), x.matmul(w.t())) < 1e-14);
  CHECK(state.bytes() == 8 * (24 + 24 + 6 + 20 + 5 + 8));
}

TEST_CASE("a tensor is found by its name in the checkpoint", "[params]") {
  const FullState state = Full{.train = "norm"}.attach(SmallModel{});
  for (const NamedTensor& weight : state.weights()) {
    CHECK(at::equal(state.weight(weight.name), weight.value));
  }
  CHECK_FALSE(state.weight("lm_head.weight").defined());  // tied: it has no name of its own
  CHECK_FALSE(state.weight("q").defined());
  CHECK_FALSE(state.stored(0, 0));
}
