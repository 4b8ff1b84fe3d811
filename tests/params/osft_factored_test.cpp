// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/osft_factored.hpp"

#include "posttrain/optim/adamw.hpp"
#include "posttrain/optim/clip.hpp"
#include "posttrain/params/frozen.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/osft.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace osft_test;
using kernel_test::normal;
using kernel_test::relative_error;

namespace {

/// A fused site with biases and a transposed part.
struct SmallModel {
  at::ScalarType type = at::kDouble;
  std::int64_t width = 8;

  Layout layout() const {
    Layout all;
    all.sites = {{{{"q", width, false}, {"k", 4, false}}, width, true},
                 {{{"conv", 20, true}}, width, false}};
    return all;
  }
  at::ScalarType dtype() const { return type; }
  at::Device device() const { return at::kCPU; }
  Tensor load(const std::string& name, const std::vector<std::int64_t>& shape, double initial,
              bool random) const {
    if (!random) return at::full(shape, initial + 0.1, at::kDouble);
    return normal(shape, static_cast<unsigned char>(name[0]));
  }
};

Tensor forward(const auto& state, const Tensor& x) {
  return state.linear(1, state.linear(0, x).narrow(1, 0, 8));
}

}  // namespace

TEST_CASE("factored gradients are autograd's, projected", "[params][osft]") {
  const SmallModel model;
  for (const char* targets : {"all-linear", "q, conv"}) {
    OsftFactoredState state =
        OsftFactored{.unfreeze_rank_ratio = 0.5, .target_patterns = targets}.attach(model);
    const Tensor x = normal({6, 8}, 1), weight = normal({6, 20}, 2);
    const Tensor input = x.clone().requires_grad_();
    (forward(state, input) * weight).sum().backward();

    // The same by autograd.
    std::map<std::string, Tensor> leaf;
    const auto matrix = [&](const OsftFactors& f) {
      for (const auto& [name, view] : {std::pair(".u", f.u), {".s", f.s}, {".v", f.v}}) {
        leaf[f.name + name] = view.master.detach().clone().requires_grad_();
      }
      return (f.u_high * f.s_high).matmul(f.v_high) +
             (leaf[f.name + ".u"] * leaf[f.name + ".s"]).matmul(leaf[f.name + ".v"]);
    };
    std::map<std::string, Tensor> w;
    for (const OsftFactors* target : state.targets()) w[target->name] = matrix(*target);
    const Tensor again = x.clone().requires_grad_();
    const Tensor y = (again.matmul(w["q"].t()) + 0.1).matmul(w["conv"].t());
    (y * weight).sum().backward();
    CHECK(relative_error(forward(state, x).detach(), y.detach()) < 1e-13);
    CHECK(relative_error(input.grad(), again.grad()) < 1e-13);
    for (const OsftFactors* target : state.targets()) {
      if (target->name == "k") continue;
      const Tensor du = leaf[target->name + ".u"].grad(), dv = leaf[target->name + ".v"].grad();
      const Tensor& uh = target->u_high;
      const Tensor& vh = target->v_high;
      CHECK(relative_error(target->u.grad, du - uh.matmul(uh.t().matmul(du))) < 1e-12);
      CHECK(relative_error(target->v.grad, dv - dv.matmul(vh.t()).matmul(vh)) < 1e-12);
      CHECK(relative_error(target->s.grad, leaf[target->name + ".s"].grad()) < 1e-12);
    }
  }
}

TEST_CASE("factors make the base's weights, under its names and shapes", "[params][osft]") {
  const SmallModel model;
  const FrozenState base = Frozen{}.attach(model);
  const OsftFactoredState state = OsftFactored{.unfreeze_rank_ratio = 0.25}.attach(model);
  const auto weights = state.weights(), expected = base.weights();
  REQUIRE(weights.size() == expected.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    CHECK(weights[i].name == expected[i].name);
    CHECK(weights[i].value.sizes() == expected[i].value.sizes());
    CHECK(relative_error(weights[i].value, expected[i].value) < 1e-13);
  }
  const Tensor x = normal({3, 8}, 1);
  CHECK(at::equal(state.reference().linear(0, x), base.linear(0, x)));
  CHECK(state.gradients().size() == 9);
}

TEST_CASE("ranks follow the rule of the reference", "[params][osft]") {
  const auto low = [](std::int64_t width, double ratio) {
    return OsftFactored{.unfreeze_rank_ratio = ratio, .target_patterns = "q"}
        .attach(SmallModel{.width = width})
        .targets()[0]
        ->s.master.size(0);
  };
  CHECK(low(8, 0.0) == 1);  // never nothing
  CHECK(low(8, 1.0) == 8);
  CHECK(low(8, 0.25) == 2);
  CHECK(low(7, 0.5) == 4);
  CHECK(osft_reference_rank(5120, 0.8) == 1023);
  CHECK(low(10, 0.8) == 9);  // 10 · (1 − 0.8) is below 2 in floating point
}

TEST_CASE("Adam's steps leave the complement unless values are projected after them",
          "[params][osft]") {
  const auto leak = [](at::ScalarType type, bool project) {
    const SmallModel model{.type = type, .width = 16};
    OsftFactoredState state =
        OsftFactored{
            .unfreeze_rank_ratio = 0.5, .target_patterns = "q", .project_parameters = project}
            .attach(model);
    AdamWState adamw = AdamW{.weight_decay = 0.1}.attach(state.trainable());
    const Tensor wanted = normal({16, 20}, 1000, type);
    for (int step = 0; step < 400; ++step) {
      for (ParameterGroup& group : state.trainable()) group.grad.zero_();
      const auto seed = static_cast<std::uint64_t>(step);
      const Tensor x = normal({32, 16}, seed, type), target = x.matmul(wanted);
      (state.linear(0, x) - target).square().mean().backward();
      adamw.step(state.trainable(), 1e-2,
                 optim::clip_coefficient(optim::global_norm(state.trainable()), 1.0));
      state.publish();
    }
    const Tensor base = Frozen{}.attach(model).weights()[0].value.to(at::kDouble);
    const OsftFactors& factors = *state.targets()[0];
    const Directions protect = leading(base, factors.u_high.size(1));
    const Matrix change = to_eigen(factors.matrix().to(at::kDouble) - base);
    const Matrix left = change - protect.left * (protect.left.transpose() * change);
    return (change - (left - (left * protect.right) * protect.right.transpose())).norm() /
           change.norm();
  };
  const double projected = leak(at::kFloat, true), gradients_only = leak(at::kFloat, false);
  INFO("leak with values projected " << projected << ", gradients only " << gradients_only);
  CHECK(projected < 1e-5);
  CHECK(gradients_only > 1000 * projected);
  CHECK(leak(at::kDouble, true) < 1e-12);
}

TEST_CASE("the factored form trains a decoder", "[params][osft]") {
  const models::Decoder model = test::tiny_model(at::kBFloat16);
  OsftFactoredState state = OsftFactored{.unfreeze_rank_ratio = 0.5, .train = "norm"}.attach(model);
  AdamWState adamw = AdamW{}.attach(state.trainable());
  const TokenBatch batch = test::batch_of({test::some_sequence(17, 1)});
  const NextToken loss;
  std::vector<double> sums;
  for (int step = 0; step < 60; ++step) {
    for (ParameterGroup& group : state.trainable()) group.grad.zero_();
    const auto logits = [&](const Tensor& rows) { return model.logits(state, rows); };
    sums.push_back(backward_through_head(logits, model.hidden(state, batch), batch, loss,
                                         loss.needs(), 1.0 / loss.count(batch), 64));
    adamw.step(state.trainable(), 1e-2, 1.0);
    state.publish();
  }
  CHECK(sums.back() < 0.3 * sums.front());
  CHECK_THROWS_WITH(OsftFactored{.target_patterns = "nothing"}.attach(model),
                    Catch::Contains("selects no matrix"));
}
