// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/recompute.hpp"

#include "posttrain/nn/linear.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;

namespace {

struct Layers {
  Weight first, second;
  Tensor anchor = at::zeros({}, at::kDouble).requires_grad_();
  Layers() {
    for (Weight* weight : {&first, &second}) {
      weight->value = normal({4, 4}, weight == &first ? 1 : 2);
      weight->grad = at::zeros({4, 4}, at::kDouble);
      weight->anchor = anchor;
    }
  }
  Tensor operator()(const Tensor& x) const {
    return linear(at::tanh(linear(x, first)), second) + x;
  }
};

}  // namespace

TEST_CASE("recomputation gives the same result and gradients", "[tensor][recompute]") {
  const Layers direct, again;
  const Tensor x = normal({3, 4}, 5).requires_grad_(), x2 = x.detach().clone().requires_grad_();
  const Tensor weight = normal({3, 4}, 6);
  int runs = 0;
  const Tensor y = recompute(x, again.anchor, [&](const Tensor& input) {
    ++runs;
    return again(input);
  });
  const Tensor expected = direct(x2);
  CHECK(at::equal(y.detach(), expected.detach()));
  CHECK(runs == 1);
  (y * weight).sum().backward();
  (expected * weight).sum().backward();
  CHECK(runs == 2);
  CHECK(at::equal(x.grad(), x2.grad()));
  CHECK(at::equal(again.first.grad, direct.first.grad));
  CHECK(at::equal(again.second.grad, direct.second.grad));
}

TEST_CASE("recomputation chains, and trains below an input without a gradient",
          "[tensor][recompute]") {
  const Layers direct, again;
  const Tensor x = normal({3, 4}, 5);
  direct(direct(x)).sum().backward();
  const auto run = [&](const Tensor& input) { return again(input); };
  recompute(recompute(x, again.anchor, run), again.anchor, run).sum().backward();
  CHECK(kernel_test::relative_error(again.first.grad, direct.first.grad) < 1e-14);
  CHECK(kernel_test::relative_error(again.second.grad, direct.second.grad) < 1e-14);
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("recomputation keeps no graph where nothing trains", "[tensor][recompute]") {
  const Tensor x = normal({3, 4}, 5);
  int runs = 0;
  const Tensor y = recompute(x, Tensor(), [&](const Tensor& input) {
    ++runs;
    return input * 2.0;
  });
  CHECK_FALSE(y.requires_grad());
  CHECK(runs == 1);
  at::NoGradGuard no_grad;
  CHECK_FALSE(
      recompute(x, Layers().anchor, [](const Tensor& t) { return t * 2.0; }).requires_grad());
}
