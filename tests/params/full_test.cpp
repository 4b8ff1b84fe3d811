// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/full.hpp"

#include <map>

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;

namespace {

/// One of everything: a table with a padding row, a fused site with biases, a transposed part, a
/// tied head, a norm.
struct SmallModel {
  at::ScalarType type = at::kDouble;
  bool tied = true;

  Layout layout() const {
    Layout all;
    all.tables = {{"embed.weight", 6, 4, 2}};
    all.sites = {{{{"q", 4, false}, {"k", 2, false}}, 4, true},
                 {{{"conv", 5, true}}, 4, true},
                 {{{"lm_head", 6, false}}, 4, false, tied ? 0 : -1}};
    all.vectors = {{"norm.weight", 4, 1.0}, {"norm.bias", 4, 0.0}};
    return all;
  }
  at::ScalarType dtype() const { return type; }
  at::Device device() const { return at::kCPU; }
  Tensor load(const std::string& name, const std::vector<std::int64_t>& shape, double initial,
              bool random) const {
    if (!random) return at::full(shape, initial, at::kDouble);
    return normal(shape, name.size() + 10);
  }
};

using Shapes = std::map<std::string, std::vector<std::int64_t>>;

Shapes shapes(const std::vector<NamedTensor>& tensors) {
  Shapes all;
  for (const NamedTensor& tensor : tensors) all[tensor.name] = tensor.value.sizes().vec();
  CHECK(all.size() == tensors.size());
  return all;
}

Tensor named(const std::vector<NamedTensor>& tensors, const std::string& name) {
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name == name) return tensor.value;
  }
  FAIL("no tensor " << name);
  return {};
}

}  // namespace

TEST_CASE("full fine-tuning lists every tensor under its checkpoint name and shape", "[params]") {
  const FullState state = Full{}.attach(SmallModel{});
  const Shapes expected{{"embed.weight", {6, 4}}, {"q.weight", {4, 4}}, {"q.bias", {4}},
                        {"k.weight", {2, 4}},     {"k.bias", {2}},      {"conv.weight", {4, 5}},
                        {"conv.bias", {5}},       {"norm.weight", {4}}, {"norm.bias", {4}}};
  CHECK(shapes(state.weights()) == expected);  // the tied head has no name of its own
  CHECK(shapes(state.gradients()) == expected);
  Shapes untied = expected;
  untied["lm_head.weight"] = {6, 4};
  CHECK(shapes(Full{}.attach(SmallModel{.tied = false}).weights()) == untied);
}

TEST_CASE("weights start from what the model loads", "[params]") {
  const SmallModel model;
  const FullState state = Full{}.attach(model);
  CHECK(at::equal(named(state.weights(), "embed.weight"), normal({6, 4}, 22)));
  CHECK(at::equal(named(state.weights(), "conv.weight"), normal({4, 5}, 21)));
  CHECK(at::equal(named(state.weights(), "norm.weight"), at::ones({4}, at::kDouble)));
  CHECK(named(state.weights(), "q.bias").abs().sum().item<double>() == 0.0);
}

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

TEST_CASE("a selection trains alone, with the gradients of full fine-tuning", "[params]") {
  const SmallModel model;
  const Tensor ids = at::tensor({1, 5, 2}, at::kLong);
  const auto run = [&](const FullState& state) {
    const Tensor x = state.embed(0, ids) * state.vector(0) + state.vector(1);
    const Tensor y = state.linear(0, x);
    ((y * normal({3, 6}, 3)).sum() + (state.linear(1, x) * normal({3, 5}, 4)).sum() +
     (state.linear(2, x) * normal({3, 6}, 5)).sum())
        .backward();
    return y.detach();
  };
  const FullState full = Full{}.attach(model);
  const Tensor y = run(full);
  const std::map<std::string, std::vector<std::string>> cases{
      {"embed", {"embed.weight"}},
      {"q", {"q.weight", "q.bias"}},  // one part of a fused site
      {"conv.weight", {"conv.weight"}},
      {"norm, k.bias", {"k.bias", "norm.weight", "norm.bias"}}};
  for (const auto& [pattern, names] : cases) {
    INFO(pattern);
    const FullState some = Full{.train = pattern}.attach(model);
    CHECK(relative_error(run(some), y) < 1e-15);
    std::vector<std::string> trained;
    for (const NamedTensor& gradient : some.gradients()) {
      trained.push_back(gradient.name);
      CHECK(relative_error(gradient.value, named(full.gradients(), gradient.name)) < 1e-14);
    }
    CHECK(trained == names);
    CHECK(shapes(some.weights()) == shapes(full.weights()));
    for (const NamedTensor& weight : some.weights()) {
      CHECK(at::equal(weight.value, named(full.weights(), weight.name)));
    }
  }
  const FullState rest = Full{.freeze = "embed, q"}.attach(model);
  CHECK(rest.gradients().size() == 6);
  CHECK_THROWS_WITH(Full{.train = "nothing"}.attach(model), Catch::Contains("selects no tensor"));
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
