// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/rms_norm.hpp"

#include <cmath>
#include <tuple>
#include <utility>

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::gradient_error;
using kernel_test::normal;
using kernel_test::precision_error;
using kernel_test::relative_error;

TEST_CASE("rms_norm of a row follows its formula") {
  const Tensor x = at::tensor({3.0, 4.0}, at::kDouble).unsqueeze(0);
  const Tensor w = at::tensor({1.0, 2.0}, at::kDouble);
  const double rms = std::sqrt(12.5);
  CHECK(relative_error(rms_norm(x, w, 0.0),
                       at::tensor({3 / rms, 8 / rms}, at::kDouble).unsqueeze(0)) < 1e-15);
  CHECK(relative_error(rms_norm(x, w, 0.0, true),
                       at::tensor({6 / rms, 12 / rms}, at::kDouble).unsqueeze(0)) < 1e-15);
}

TEST_CASE("rms_norm's gradients match finite differences") {
  const bool plus_one = GENERATE(false, true);
  const auto f = [&](const Tensors& t) { return rms_norm(t[0], t[1], 1e-3, plus_one); };
  CHECK(gradient_error(f, {normal({5, 7}, 1), normal({7}, 2)}) < 1e-8);
}

TEST_CASE("rms_norm in float32 and bfloat16 is close to double") {
  const bool plus_one = GENERATE(false, true);
  const auto [rows, width] = GENERATE(std::pair{1, 2}, std::pair{1, 64}, std::pair{3, 80},
                                      std::pair{200, 96}, std::pair{70, 513});
  const auto f = [&](const Tensors& t) { return rms_norm(t[0], t[1], 1e-5, plus_one); };
  const Tensors inputs{normal({rows, width}, 3), normal({width}, 4)};
  CAPTURE(rows, width, plus_one);
  CHECK(precision_error(f, inputs, at::kFloat) < 5e-6);
  CHECK(precision_error(f, inputs, at::kBFloat16) < 2e-2);
}

TEST_CASE("rms_norm in bfloat16 rounds where transformers does") {
  const Tensor x = normal({9, 40}, 5, at::kBFloat16), w = normal({40}, 6, at::kBFloat16);
  const Tensor wide = x.to(at::kFloat);
  const Tensor normed = wide * (wide.pow(2).mean(-1, true) + 1e-6).rsqrt();
  const Tensor llama = normed.to(at::kBFloat16) * w;
  const Tensor gemma = (normed * (1 + w.to(at::kFloat))).to(at::kBFloat16);
  // The normalised x may differ in the last bit of float32, and so rarely in one of bfloat16.
  CHECK((rms_norm(x, w, 1e-6) == llama).to(at::kDouble).mean().item<double>() > 0.98);
  CHECK((rms_norm(x, w, 1e-6, true) == gemma).to(at::kDouble).mean().item<double>() > 0.98);
}

TEST_CASE("rms_norm reads strided heads of a fused buffer") {
  const Tensor buffer = normal({6, 5 * 16}, 7, at::kFloat);
  const Tensor heads = buffer.narrow(1, 32, 48).unflatten(1, {3, 16});
  const Tensor w = normal({16}, 8, at::kFloat);
  CHECK(rms_norm(heads, w, 1e-5).equal(rms_norm(heads.contiguous(), w, 1e-5)));
}

TEST_CASE("add_rms_norm gives the sum, its norm and both gradients") {
  const auto type = GENERATE(at::kDouble, at::kFloat);
  const auto run = [&](bool fused) {
    Tensor x = normal({40, 24}, 9, type).requires_grad_();
    Tensor residual = normal({40, 24}, 10, type).requires_grad_();
    Tensor w = normal({24}, 11, type).requires_grad_();
    Tensor sum, y;
    if (fused) {
      std::tie(sum, y) = add_rms_norm(x, residual, w, 1e-5);
    } else {
      sum = x + residual;
      y = rms_norm(sum, w, 1e-5);
    }
    (y * normal({40, 24}, 12, type) + sum * normal({40, 24}, 13, type)).sum().backward();
    return Tensors{sum.detach(), y.detach(), x.grad(), residual.grad(), w.grad()};
  };
  const Tensors fused = run(true), separate = run(false);
  for (std::size_t i = 0; i < fused.size(); ++i) {
    CHECK(relative_error(fused[i], separate[i]) < 2e-6);
  }
}

TEST_CASE("rms_norm of no rows is empty, and wrong shapes are shown") {
  const Tensor x = at::zeros({0, 8}, at::kFloat).requires_grad_();
  const Tensor w = at::ones({8}, at::kFloat).requires_grad_();
  const Tensor y = rms_norm(x, w, 1e-5);
  y.sum().backward();
  CHECK(y.numel() == 0);
  CHECK(w.grad().abs().sum().item<double>() == 0);
  CHECK_THROWS_WITH(rms_norm(at::zeros({2, 8}), at::zeros({7}), 1e-5),
                    Catch::Contains("[2, 8]") && Catch::Contains("[7]"));
}
