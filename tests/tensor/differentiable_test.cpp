// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/differentiable.hpp"

#include <memory>

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;

namespace {

Tensor leaf(at::IntArrayRef shape, std::uint64_t seed) {
  return normal(shape, seed).requires_grad_();
}

/// x · factor with a hand-written backward.
Tensor scaled(const Tensor& x, double factor, int* calls = nullptr) {
  return differentiable(x.detach() * factor, {x}, [factor, calls](const Tensor& d) -> Tensors {
    if (calls != nullptr) ++*calls;
    CHECK_FALSE(at::GradMode::is_enabled());
    return {d * factor};
  });
}

}  // namespace

TEST_CASE("a hand-written backward joins autograd's graph", "[tensor][differentiable]") {
  const Tensor x = leaf({3, 4}, 1);
  (scaled(x * x, 3.0) * 2.0).sum().backward();
  CHECK(x.grad().allclose(x.detach() * 12.0, 1e-12));
}

TEST_CASE("no graph is made where nothing requires a gradient", "[tensor][differentiable]") {
  const Tensor plain = normal({3}, 1);
  CHECK_FALSE(scaled(plain, 2.0).requires_grad());
  CHECK_FALSE(differentiable(plain.clone(), {Tensor()}, [](const Tensor&) {
                return Tensors{Tensor()};
              }).requires_grad());
  const Tensor x = leaf({3}, 1);
  {
    at::NoGradGuard no_grad;
    CHECK_FALSE(scaled(x, 2.0).requires_grad());
  }
  CHECK(scaled(x, 2.0).requires_grad());
}

TEST_CASE("undefined inputs and undefined gradients are allowed", "[tensor][differentiable]") {
  const Tensor x = leaf({3}, 1), y = leaf({3}, 2);
  const Tensor result =
      differentiable(x.detach() + y.detach(), {x, Tensor(), y}, [](const Tensor& d) -> Tensors {
        return {d, Tensor(), Tensor()};
      });
  result.sum().backward();
  CHECK(at::equal(x.grad(), at::ones({3}, at::kDouble)));
  CHECK_FALSE(y.grad().defined());
}

TEST_CASE("an output that nobody uses arrives as undefined", "[tensor][differentiable]") {
  const Tensor x = leaf({3}, 1);
  bool second_undefined = false;
  const Tensors both = differentiable(Tensors{x.detach() * 2.0, x.detach() * 5.0}, {x},
                                      [&](const Tensors& d) -> Tensors {
                                        second_undefined = !d[1].defined();
                                        return {d[0] * 2.0};
                                      });
  CHECK(both[1].requires_grad());
  both[0].sum().backward();
  CHECK(second_undefined);
  CHECK(at::equal(x.grad(), at::full({3}, 2.0, at::kDouble)));
}

TEST_CASE("a second backward pass through a freed graph is an error", "[tensor][differentiable]") {
  const Tensor x = leaf({3}, 1);
  const Tensor loss = scaled(x, 2.0).sum();
  loss.backward();
  CHECK_THROWS_WITH(loss.backward(), Catch::Contains("second time") || Catch::Contains("freed"));
  // Kept graphs may be used again.
  int calls = 0;
  const Tensor kept = scaled(x, 2.0, &calls).sum();
  kept.backward({}, /*retain_graph=*/true);
  kept.backward();
  CHECK(calls == 2);
}

TEST_CASE("what the backward holds is freed with the graph", "[tensor][differentiable]") {
  const auto token = std::make_shared<int>(1);
  const Tensor x = leaf({3}, 1);
  {
    const Tensor loss = differentiable(
        x.detach().sum(), {x}, [token](const Tensor& d) -> Tensors { return {d.expand({3})}; });
    CHECK(token.use_count() == 2);
    loss.backward();
    CHECK(token.use_count() == 1);  // at once, not with the last tensor
  }
  {
    const Tensor unused = differentiable(
        x.detach().sum(), {x}, [token](const Tensor& d) -> Tensors { return {d.expand({3})}; });
    CHECK(token.use_count() == 2);
  }
  CHECK(token.use_count() == 1);
}

TEST_CASE("an exception of a backward reaches the caller", "[tensor][differentiable]") {
  const Tensor x = leaf({3}, 1);
  const Tensor loss = differentiable(x.detach().sum(), {x}, [](const Tensor&) -> Tensors {
    throw std::runtime_error("no slope here");
  });
  CHECK_THROWS_WITH(loss.backward(), Catch::Contains("no slope here"));
}

TEST_CASE("long chains are unwound without recursion", "[tensor][differentiable]") {
  const Tensor x = leaf({1}, 1);
  Tensor y = x;
  for (int i = 0; i < 50000; ++i) y = scaled(y, 1.0);
  { const Tensor dropped = std::move(y); }
  CHECK_FALSE(x.grad().defined());
}
