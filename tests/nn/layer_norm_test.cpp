// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/layer_norm.hpp"

#include <cmath>
#include <utility>

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::gradient_error;
using kernel_test::normal;
using kernel_test::precision_error;
using kernel_test::relative_error;

TEST_CASE("layer_norm of a row follows its formula, with and without weight and bias") {
  const Tensor x = at::tensor({1.0, 3.0, 8.0}, at::kDouble).unsqueeze(0);
  const Tensor w = at::tensor({1.0, 2.0, -1.0}, at::kDouble);
  const Tensor b = at::tensor({0.5, 0.0, 1.0}, at::kDouble);
  const Tensor normed = at::tensor({-3.0, -1.0, 4.0}, at::kDouble) / std::sqrt(26.0 / 3.0);
  CHECK(relative_error(layer_norm(x, {}, {}, 0.0), normed.unsqueeze(0)) < 1e-15);
  CHECK(relative_error(layer_norm(x, w, {}, 0.0), (normed * w).unsqueeze(0)) < 1e-15);
  CHECK(relative_error(layer_norm(x, w, b, 0.0), (normed * w + b).unsqueeze(0)) < 1e-15);
}

TEST_CASE("layer_norm's gradients match finite differences") {
  const auto f = [](const Tensors& t) { return layer_norm(t[0], t[1], t[2], 1e-3); };
  CHECK(gradient_error(f, {normal({5, 7}, 1), normal({7}, 2), normal({7}, 3)}) < 1e-8);
  const auto plain = [](const Tensors& t) { return layer_norm(t[0], {}, {}, 1e-3); };
  CHECK(gradient_error(plain, {normal({5, 7}, 1)}) < 1e-8);
}

TEST_CASE("layer_norm in float32 and bfloat16 is close to double") {
  const auto [rows, width] = GENERATE(std::pair{1, 64}, std::pair{200, 96}, std::pair{70, 513});
  const auto f = [](const Tensors& t) { return layer_norm(t[0], t[1], t[2], 1e-5); };
  const Tensors inputs{normal({rows, width}, 3), normal({width}, 4), normal({width}, 5)};
  CHECK(precision_error(f, inputs, at::kFloat) < 5e-6);
  CHECK(precision_error(f, inputs, at::kBFloat16) < 2e-2);
}

TEST_CASE("layer_norm reads strided rows, takes none, and shows wrong shapes") {
  const Tensor wide = normal({6, 40}, 7, at::kFloat), w = normal({16}, 8, at::kFloat);
  const Tensor view = wide.narrow(1, 5, 16);
  CHECK(layer_norm(view, w, w, 1e-5).equal(layer_norm(view.contiguous(), w, w, 1e-5)));
  CHECK(layer_norm(at::zeros({0, 16}), w, {}, 1e-5).numel() == 0);
  CHECK_THROWS_WITH(layer_norm(at::zeros({2, 8}), at::zeros({7}), at::zeros({7}), 1e-5),
                    Catch::Contains("[2, 8]"));
}
