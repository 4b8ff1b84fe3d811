// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/osft/site.hpp"

#include "posttrain/base/describe.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/osft.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/named_tensors.hpp"
#include "support/osft.hpp"

using namespace posttrain;
using namespace osft_test;
using kernel_test::normal;
using kernel_test::relative_error;
using test::named;

namespace {

template <class State>
Tensor forward(const State& state, const Tensor& x) {
  return state.linear(2, state.linear(1, x).mul(state.linear(0, x).narrow(1, 0, 1)));
}

}  // namespace

TEST_CASE("the product is that of the weights that are saved", "[params][osft]") {
  const OsftModel model{.tied = false};
  OsftState<Dense> dense = Osft{.unfreeze_rank_ratio = 0.5}.attach(model);
  move_cores(dense);
  const auto weights = dense.weights();
  const Tensor x = normal({3, 8}, 1);
  const Tensor q = x.matmul(named(weights, "q.weight").t()) + named(weights, "q.bias");
  CHECK(relative_error(dense.linear(0, x).detach().narrow(1, 0, 8), q) < 1e-13);
  const Tensor conv = x.matmul(named(weights, "conv.weight")) + named(weights, "conv.bias");
  CHECK(relative_error(dense.linear(1, x).detach(), conv) < 1e-13);
  CHECK(named(weights, "conv.weight").sizes() == at::IntArrayRef({8, 20}));
  // The same on stored matrices, where U C Vᵀ is a product of its own.
  BasicOsft<Kept> policy{.unfreeze_rank_ratio = 0.5};
  OsftState<Kept> stored = policy.attach(model);
  move_cores(stored);
  for (int site : {0, 1, 3}) {
    CHECK(relative_error(stored.linear(site, x).detach(), dense.linear(site, x).detach()) < 1e-13);
  }
  for (const NamedTensor& weight : stored.weights()) {
    CHECK(weight.value.sizes() == named(weights, weight.name).sizes());
    CHECK(relative_error(weight.value, named(weights, weight.name)) < 1e-14);
  }
  CHECK(relative_error(stored.reference().linear(0, x).detach(),
                       Full{}.attach(model).linear(0, x).detach()) < 1e-15);
  CHECK(at::equal(named(weights, "lm_head.weight"),
                  named(Full{}.attach(model).weights(), "lm_head.weight")));
}

TEST_CASE("gradients of cores are the dense ones seen from the complements", "[params][osft]") {
  const OsftModel model;
  FullState full = Full{}.attach(model);
  const auto check = [&](auto state, std::int64_t tokens, double ratio) {
    INFO("ratio " << ratio << ", " << tokens << " tokens");
    for (ParameterGroup& group : full.trainable()) group.grad.zero_();
    const Tensor start = normal({tokens, 8}, 2), weight = normal({tokens, 8}, 3);
    const auto run = [&](const auto& gate) {
      const Tensor x = start.clone().requires_grad_();
      (forward(gate, x) * weight).sum().backward();
      return x.grad();
    };
    CHECK(relative_error(run(state), run(full)) < 1e-13);
    for (const OsftTarget* target : state.targets()) {
      Tensor dense = named(full.gradients(), target->name + ".weight");
      if (target->name == "conv") dense = dense.t();
      for (const OsftCore& core : target->cores) {
        const Tensor expected = basis_of(core.left).t().matmul(dense).matmul(basis_of(core.right));
        CHECK(relative_error(core.values.grad, expected) < 1e-12);
      }
    }
    CHECK(state.targets().size() == 5);
  };
  for (const double ratio : {0.25, 0.5, 0.75, 1.0}) {
    for (const std::int64_t tokens : {3, 200}) {  // either order of the products
      for (const OsftProjection projection : kProjections) {
        check(Osft{.unfreeze_rank_ratio = ratio, .projection = projection}.attach(model), tokens,
              ratio);
        check(BasicOsft<Kept>{.unfreeze_rank_ratio = ratio, .projection = projection}.attach(model),
              tokens, ratio);
      }
    }
  }
}

TEST_CASE("bf16 weights are the exact ones rounded once", "[params][osft]") {
  OsftState<Dense> state =
      Osft{.unfreeze_rank_ratio = 0.5}.attach(OsftModel{.type = at::kBFloat16});
  CHECK(state.trainable().back().value.is_same(state.trainable().back().master));
  CHECK(state.trainable().back().master.scalar_type() == at::kFloat);
  for (int step = 0; step < 3; ++step) {
    move_cores(state, 0.01 * step);
    for (const OsftTarget* target : state.targets()) {
      const Tensor exact = target->base.to(at::kFloat) + state.update(*target);
      CHECK(at::equal(target->weight, exact.to(at::kBFloat16)));
      const Tensor saved = named(state.weights(), target->name + ".weight");
      CHECK(relative_error(target->name == "conv" ? saved.t() : saved, exact) < 1e-7);
    }
  }
}

TEST_CASE("a change apart from the cores is their change, in its smaller form", "[params][osft]") {
  for (const OsftProjection projection : kProjections) {
    for (const double ratio : {0.125, 0.5, 1.0}) {
      OsftState<Dense> state =
          Osft{.unfreeze_rank_ratio = ratio, .projection = projection}.attach(OsftModel{});
      move_cores(state);
      for (const OsftTarget* target : state.targets()) {
        INFO(target->name << " at " << ratio << ", " << enum_name(projection));
        const MatrixChange change = target->change();
        CHECK(relative_error(change.dense(), target->update()) < 1e-13);
        CHECK(change.bytes() <= 8 * target->rows * target->in);
        std::vector<std::string> names;
        for (const NamedTensor& basis : target->bases()) names.push_back(basis.name);
        CHECK(std::ranges::all_of(
            names, [&](const std::string& name) { return name.starts_with(target->name + "."); }));
        CHECK(names.empty() == (ratio == 1.0));
      }
    }
  }
}
