// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/gemm.hpp"

#include "posttrain/tensor/allocator.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;

namespace {

double tolerance(at::ScalarType type) {
  return type == at::kDouble ? 1e-13 : type == at::kFloat ? 1e-5 : 1e-2;
}

}  // namespace

TEST_CASE("The products equal their definitions in double", "[gemm]") {
  const auto type = GENERATE(at::kDouble, at::kFloat, at::kBFloat16);
  // Below and above the size from which oneDNN is used.
  const auto [m, n, k] = GENERATE(std::tuple{1, 1, 1}, std::tuple{5, 7, 3}, std::tuple{1, 512, 64},
                                  std::tuple{130, 120, 110});
  const Tensor x = normal({m, k}, 1).to(type), w = normal({n, k}, 2).to(type);
  const Tensor dy = normal({m, n}, 3).to(type), start = normal({n, k}, 4).to(type);
  const Tensor wide_x = x.to(at::kDouble), wide_w = w.to(at::kDouble), wide_dy = dy.to(at::kDouble);
  CHECK(relative_error(matmul_nt(x, w), at::matmul(wide_x, wide_w.t())) < tolerance(type));
  CHECK(relative_error(matmul_nn(dy, w), at::matmul(wide_dy, wide_w)) < tolerance(type));
  Tensor sum = x.clone();
  accumulate_nn(sum, dy, w);
  CHECK(relative_error(sum, at::matmul(wide_dy, wide_w) + wide_x) < tolerance(type));
  Tensor acc = start.clone();
  accumulate_tn(acc, dy, x);
  const Tensor expected = at::matmul(wide_dy.t(), wide_x) + start.to(at::kDouble);
  CHECK(relative_error(acc, expected) < tolerance(type));
  CHECK(acc.scalar_type() == type);
}

TEST_CASE("bfloat16 gradients accumulate in float32", "[gemm]") {
  const Tensor x = normal({70, 33}, 1, at::kBFloat16), dy = normal({70, 21}, 2, at::kBFloat16);
  Tensor acc = at::full({21, 33}, 1000.0, at::kFloat);
  accumulate_tn(acc, dy, x);
  const Tensor product = at::matmul(dy.to(at::kDouble).t(), x.to(at::kDouble));
  // bfloat16 could not even hold these sums near 1000.
  CHECK(relative_error(acc - 1000.0, product) < 1e-2);
}

TEST_CASE("Products read and write strided views", "[gemm]") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const Tensor wide = normal({150, 300}, 1, type), tall = normal({400, 120}, 2, type);
  const Tensor x = wide.narrow(1, 100, 120), w = tall.narrow(0, 50, 130);
  const Tensor dy = normal({150, 260}, 3, type).narrow(1, 5, 130);
  CHECK(relative_error(matmul_nt(x, w), matmul_nt(x.contiguous(), w.contiguous())) <
        tolerance(type));
  CHECK(relative_error(matmul_nn(dy, w), matmul_nn(dy.contiguous(), w.contiguous())) <
        tolerance(type));
  const Tensor rows = at::ones({150, 300}, type);
  accumulate_nn(rows.narrow(1, 100, 120), dy, w);
  CHECK(relative_error(rows.narrow(1, 100, 120), matmul_nn(dy, w) + 1) < tolerance(type));
  CHECK(rows.narrow(1, 0, 100).eq(1).all().item<bool>());
  CHECK(rows.narrow(1, 220, 80).eq(1).all().item<bool>());
  const Tensor buffer = at::zeros({130, 500}, type);
  accumulate_tn(buffer.narrow(1, 200, 120), dy, x);
  Tensor expected = at::zeros({130, 120}, type);
  accumulate_tn(expected, dy.contiguous(), x.contiguous());
  CHECK(relative_error(buffer.narrow(1, 200, 120), expected) < tolerance(type));
  CHECK(buffer.narrow(1, 0, 200).abs().max().item<double>() == 0);
  CHECK(buffer.narrow(1, 320, 180).abs().max().item<double>() == 0);
}

TEST_CASE("Half products are rounded once", "[gemm]") {
  // A few rows; and, where they are computed from panels, several of them each way.
  const auto [m, n, k] = GENERATE(std::tuple{1, 512, 64}, std::tuple{3, 20, 33},
                                  std::tuple{2, 7, 5}, std::tuple{600, 300, 5000});
  const auto type = GENERATE(at::kBFloat16, at::kHalf);
  const Tensor x = normal({m, k}, 1).to(type), w = normal({n, k}, 2).to(type);
  const Tensor dy = normal({m, n}, 3).to(type);
  const Tensor wide_x = x.to(at::kDouble), wide_w = w.to(at::kDouble);
  const Tensor wide_dy = dy.to(at::kDouble);
  // Half of a last place of a number of 8 or 11 bits.
  const double half_place = type == at::kHalf ? 4.9e-4 : 3.91e-3;
  const auto rounded_once = [&](const Tensor& y, const Tensor& exact) {
    const Tensor error = (y.to(at::kDouble) - exact).abs();
    // And the float32 sum of k numbers of size 1.
    const Tensor allowed = exact.abs() * half_place + 4e-6 * std::sqrt(k);
    return y.scalar_type() == type && error.le(allowed).all().item<bool>();
  };
  CHECK(rounded_once(matmul_nt(x, w), at::matmul(wide_x, wide_w.t())));
  CHECK(rounded_once(matmul_nn(dy, w), at::matmul(wide_dy, wide_w)));
  if (half_products(type) == std::string("native")) return;
  Tensor sum = x.clone();
  accumulate_nn(sum, dy, w);
  CHECK(rounded_once(sum, wide_x + at::matmul(wide_dy, wide_w)));
  Tensor gradient = at::zeros({n, k}, at::kFloat);
  accumulate_tn(gradient, dy, x);
  CHECK(relative_error(gradient, at::matmul(wide_dy.t(), wide_x)) < 1e-5);
}

TEST_CASE("Where products go is said", "[gemm]") {
  CHECK(half_products(at::kFloat) == std::string("native"));
  const std::string way = half_products(at::kBFloat16);
  CHECK((way == "native" || way == "float32"));
}

TEST_CASE("Products of no rows are empty and add nothing", "[gemm]") {
  const Tensor x = at::zeros({0, 64}), w = at::ones({32, 64}), dy = at::zeros({0, 32});
  CHECK(matmul_nt(x, w).sizes() == at::IntArrayRef({0, 32}));
  Tensor acc = at::ones({32, 64});
  accumulate_tn(acc, dy, x);
  CHECK(acc.equal(w));
}

TEST_CASE("Products say which shapes do not fit", "[gemm]") {
  const Tensor x = at::zeros({3, 4}), w = at::zeros({5, 6});
  CHECK_THROWS_WITH(matmul_nt(x, w), Catch::Contains("[3, 4] and [5, 6]"));
  CHECK_THROWS_WITH(matmul_nn(x, w), Catch::Contains("matmul_nn"));
  CHECK_THROWS_WITH(accumulate_nn(at::zeros({3, 3}), x, at::zeros({4, 2})),
                    Catch::Contains("[3, 3]"));
  CHECK_THROWS_WITH(accumulate_tn(at::zeros({4, 4}), at::zeros({3, 5}), x),
                    Catch::Contains("[4, 4]"));
}

TEST_CASE("Tuning the allocator twice does the same as once", "[gemm]") {
  CHECK(tune_allocator() == tune_allocator());
}
