// SPDX-License-Identifier: Apache-2.0
#include "posttrain/optim/adamw.hpp"

#include <cmath>

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;

namespace {

ParameterGroup group_of(const Tensor& start, bool decay, std::string name = "g") {
  ParameterGroup group;
  group.name = std::move(name);
  group.master = start.clone();
  group.value = group.master;
  group.grad = at::zeros_like(start);
  group.decay = decay;
  return group;
}

/// The formula, one number after another, in double.
struct Reference {
  AdamW options;
  std::vector<double> p, m, v;
  int steps = 0;
  Reference(const AdamW& options, const Tensor& start) : options(options) {
    const Tensor wide = start.to(at::kDouble).contiguous();
    p.assign(wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel());
    m.assign(p.size(), 0.0);
    v.assign(p.size(), 0.0);
  }
  void step(const Tensor& grad, double rate, double factor, bool decay) {
    ++steps;
    const Tensor wide = grad.to(at::kDouble).contiguous();
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double g = wide.data_ptr<double>()[i] * factor;
      m[i] = options.beta1 * m[i] + (1 - options.beta1) * g;
      v[i] = options.beta2 * v[i] + (1 - options.beta2) * g * g;
      const double m_hat = m[i] / (1 - std::pow(options.beta1, steps));
      const double v_hat = v[i] / (1 - std::pow(options.beta2, steps));
      p[i] *= 1 - (decay ? rate * options.weight_decay : 0.0);
      p[i] -= rate * m_hat / (std::sqrt(v_hat) + options.eps);
    }
  }
  double error(const Tensor& actual) const {
    return kernel_test::relative_error(actual, at::tensor(p, at::kDouble));
  }
};

}  // namespace

TEST_CASE("AdamW follows its formula over many steps", "[optim]") {
  for (const auto type : {at::kDouble, at::kFloat}) {
    const AdamW options{.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6, .weight_decay = 0.1};
    std::vector<ParameterGroup> groups{group_of(normal({67}, 1, type), true, "matrices"),
                                       group_of(normal({19}, 2, type), false, "vectors")};
    Reference first(options, groups[0].master), second(options, groups[1].master);
    AdamWState state = options.attach(groups);
    for (int step = 0; step < 25; ++step) {
      groups[0].grad.copy_(normal({67}, 100 + step));
      groups[1].grad.copy_(normal({19}, 200 + step));
      const double rate = 0.01 * (step + 1), factor = step % 3 == 0 ? 1.0 : 0.25;
      first.step(groups[0].grad, rate, factor, true);
      second.step(groups[1].grad, rate, factor, false);
      state.step(groups, rate, factor);
    }
    const double tolerance = type == at::kDouble ? 1e-6 : 1e-5;
    CHECK(first.error(groups[0].master) < tolerance);
    CHECK(second.error(groups[1].master) < tolerance);
  }
}

TEST_CASE("without clipping AdamW in double is exact", "[optim]") {
  const AdamW options{.weight_decay = 0.01};
  std::vector<ParameterGroup> groups{group_of(normal({31}, 1), true)};
  Reference reference(options, groups[0].master);
  AdamWState state = options.attach(groups);
  for (int step = 0; step < 10; ++step) {
    groups[0].grad.copy_(normal({31}, 10 + step));
    reference.step(groups[0].grad, 1e-3, 1.0, true);
    state.step(groups, 1e-3, 1.0);
  }
  CHECK(reference.error(groups[0].master) < 1e-13);
}

TEST_CASE("the first step has the size of the learning rate, whatever the gradient", "[optim]") {
  std::vector<ParameterGroup> groups{group_of(at::zeros({3}, at::kDouble), true)};
  AdamWState state = AdamW{.eps = 1e-300}.attach(groups);
  groups[0].grad.copy_(at::tensor({1e-6, -5.0, 1e4}, at::kDouble));
  state.step(groups, 0.125, 1.0);
  CHECK(groups[0].master[0].item<double>() == Approx(-0.125).epsilon(1e-9));
  CHECK(groups[0].master[1].item<double>() == Approx(0.125).epsilon(1e-9));
  CHECK(groups[0].master[2].item<double>() == Approx(-0.125).epsilon(1e-9));
}

TEST_CASE("weight decay shrinks matrices and leaves vectors alone", "[optim]") {
  std::vector<ParameterGroup> groups{group_of(at::ones({4}), true), group_of(at::ones({4}), false)};
  AdamWState state = AdamW{.weight_decay = 0.5}.attach(groups);
  state.step(groups, 0.1, 1.0);  // no gradient
  CHECK(groups[0].master[0].item<double>() == Approx(0.95).epsilon(1e-6));
  CHECK(groups[1].master[0].item<double>() == 1.0);
}

TEST_CASE("a clipping factor acts as smaller gradients", "[optim]") {
  std::vector<ParameterGroup> clipped{group_of(at::ones({16}), true)};
  std::vector<ParameterGroup> scaled{group_of(at::ones({16}), true)};
  AdamWState a = AdamW{}.attach(clipped), b = AdamW{}.attach(scaled);
  for (int step = 0; step < 5; ++step) {
    const Tensor grad = normal({16}, step, at::kFloat);
    clipped[0].grad.copy_(grad);
    scaled[0].grad.copy_(grad * 0.5);
    a.step(clipped, 0.01, 0.5);
    b.step(scaled, 0.01, 1.0);
    CHECK(at::equal(clipped[0].master, scaled[0].master));
  }
}

TEST_CASE("a bf16 model moves through its fp32 masters", "[optim][C24]") {
  ParameterGroup group = group_of(at::ones({8}), false);
  group.value = at::ones({8}, at::kBFloat16);
  std::vector<ParameterGroup> groups{group};
  AdamWState state = AdamW{}.attach(groups);
  // Each update is far below bf16's spacing at 1; a hundred of them are not.
  for (int step = 0; step < 100; ++step) {
    groups[0].grad.fill_(1.0F);
    state.step(groups, 1e-4, 1.0);
  }
  CHECK(groups[0].master[0].item<double>() == Approx(0.99).epsilon(1e-5));
  for (const NamedTensor& tensor : state.tensors()) CHECK(tensor.value.scalar_type() == at::kFloat);
}

TEST_CASE("the state's tensors carry on a run exactly", "[optim][C25]") {
  const AdamW options{.weight_decay = 0.1};
  const auto run = [&](std::vector<ParameterGroup>& groups, AdamWState& state, int from, int to) {
    for (int step = from; step < to; ++step) {
      groups[0].grad.copy_(normal({33}, step));
      state.step(groups, 1e-2, 0.7);
    }
  };
  std::vector<ParameterGroup> whole{group_of(normal({33}, 5, at::kFloat), true)};
  AdamWState state = options.attach(whole);
  run(whole, state, 0, 4);
  std::vector<ParameterGroup> resumed{group_of(whole[0].master, true)};
  AdamWState again = options.attach(resumed);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < again.tensors().size(); ++i) {
    Tensor target = again.tensors()[i].value;
    target.copy_(state.tensors()[i].value);
    names.push_back(again.tensors()[i].name);
  }
  CHECK(names == std::vector<std::string>{"adamw.exp_avg.0", "adamw.exp_avg_sq.0", "adamw.step.0"});
  run(whole, state, 4, 9);
  run(resumed, again, 4, 9);
  CHECK(at::equal(whole[0].master, resumed[0].master));
}

TEST_CASE("groups may be empty", "[optim]") {
  std::vector<ParameterGroup> groups{group_of(at::ones({4}), true), group_of(at::ones({0}), false)};
  AdamWState state = AdamW{}.attach(groups);
  groups[0].grad.fill_(1.0F);
  CHECK_NOTHROW(state.step(groups, 0.1, 0.5));
  CHECK(groups[0].master[0].item<double>() == Approx(0.9).epsilon(1e-5));
}

TEST_CASE("bad hyperparameters of AdamW are refused", "[optim]") {
  CHECK_NOTHROW(AdamW{}.validate());
  CHECK_THROWS_WITH(AdamW{.beta1 = 1.0}.validate(), "posttrain: AdamW.beta1 must be in [0, 1)");
  CHECK_THROWS_WITH(AdamW{.beta2 = -0.1}.validate(), "posttrain: AdamW.beta2 must be in [0, 1)");
  CHECK_THROWS_WITH(AdamW{.eps = 0.0}.validate(), "posttrain: AdamW.eps must be positive");
  CHECK_THROWS_WITH(AdamW{.weight_decay = std::nan("")}.validate(),
                    "posttrain: AdamW.weight_decay must not be negative");
}
