// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/rotary.hpp"

#include <utility>

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::gradient_error;
using kernel_test::normal;
using kernel_test::precision_error;
using kernel_test::relative_error;

namespace {

// cos and sin [rows, half] of arbitrary angles.
std::pair<Tensor, Tensor> tables(std::int64_t rows, std::int64_t half) {
  const Tensor angle = normal({rows, half}, 50);
  return {angle.cos().to(at::kFloat), angle.sin().to(at::kFloat)};
}

}  // namespace

TEST_CASE("rotary turns pairs of half-split dimensions and leaves the rest") {
  const Tensor x = at::tensor({1.0, 2.0, 3.0, 4.0, 5.0}, at::kDouble).view({1, 1, 5});
  const Tensor cos = at::tensor({0.0, 1.0}, at::kDouble).unsqueeze(0);
  const Tensor sin = at::tensor({1.0, 0.0}, at::kDouble).unsqueeze(0);
  const Tensor expected = at::tensor({-3.0, 2.0, 1.0, 4.0, 5.0}, at::kDouble).view({1, 1, 5});
  CHECK(relative_error(rotary(x, cos, sin), expected) < 1e-15);
  CHECK(relative_error(rotary(x.to(at::kFloat), cos, sin), expected) < 1e-7);
}

TEST_CASE("rotary's gradients match finite differences and its precision is the type's") {
  const auto [dim, half] =
      GENERATE(std::pair{8, 4}, std::pair{10, 3}, std::pair{64, 32}, std::pair{80, 16});
  const auto [cos, sin] = tables(4, half);
  const auto f = [&, c = cos, s = sin](const Tensors& t) { return rotary(t[0], c, s); };
  const Tensors inputs{normal({4, 3, dim}, 51)};
  CHECK(gradient_error(f, inputs) < 1e-8);
  CHECK(precision_error(f, inputs, at::kFloat) < 1e-6);
  CHECK(precision_error(f, inputs, at::kBFloat16) < 1e-2);
}

TEST_CASE("rotary_qkv rotates q and k and copies v") {
  const auto type = GENERATE(at::kDouble, at::kFloat, at::kBFloat16);
  const auto [cos, sin] = tables(6, 4);
  const Tensor qkv = normal({6, (4 + 2 * 2) * 8}, 52, type).requires_grad_();
  const Tensor out = rotary_qkv(qkv, 4, 2, 8, cos, sin);
  const Tensor heads = qkv.detach().unflatten(1, {8, 8});
  const Tensor rotated = rotary(heads.narrow(1, 0, 6), cos, sin);
  CHECK(out.detach().unflatten(1, {8, 8}).equal(at::cat({rotated, heads.narrow(1, 6, 2)}, 1)));
  out.pow(2).sum().backward();  // a rotation keeps lengths: the gradient is 2 x
  CHECK(relative_error(qkv.grad(), 2 * qkv) < (type == at::kBFloat16 ? 2e-2 : 1e-6));
  CHECK_THROWS_WITH(rotary_qkv(qkv, 4, 1, 8, cos, sin), Catch::Contains("[6, 64]"));
}

TEST_CASE("rotary shows shapes that do not belong together") {
  const auto [cos, sin] = tables(4, 3);
  CHECK_THROWS_WITH(rotary(at::zeros({5, 2, 8}), cos, sin),
                    Catch::Contains("[5, 2, 8], [4, 3], [4, 3]"));
  CHECK_THROWS_WITH(rotary(at::zeros({4, 2, 5}), cos, sin), Catch::Contains("R <= D"));
}
