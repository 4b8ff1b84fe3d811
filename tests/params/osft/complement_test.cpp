// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/osft/complement.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/osft.hpp"

using namespace posttrain;
using namespace osft_test;
using kernel_test::normal;
using kernel_test::relative_error;

TEST_CASE("a complement is orthonormal and orthogonal to its directions in either form",
          "[params][osft]") {
  struct Size {
    std::int64_t n, k;
    bool is_explicit;
  };
  for (const auto& [n, k, is_explicit] :
       {Size{7, 0, false}, Size{7, 2, false}, Size{40, 13, false}, Size{40, 14, true},
        Size{9, 8, true}, Size{9, 9, true}, Size{1, 1, true}, Size{300, 60, false}}) {
    INFO(n << " dimensions, " << k << " directions");
    const Tensor directions = normal({n, k}, 3);
    const Complement complement = Complement::of(directions, at::kDouble);
    CHECK(complement.n() == n);
    CHECK(complement.k() == k);
    CHECK(Complement::is_explicit(n, k) == is_explicit);
    CHECK(complement.tensors().size() == (k == 0 ? 0U : is_explicit ? 1U : 2U));
    const Tensor u = basis_of(complement);
    REQUIRE(u.sizes() == at::IntArrayRef({n, n - k}));
    CHECK((u.t().matmul(u) - at::eye(n - k, u.options())).abs().sum().item<double>() < 1e-11);
    CHECK(u.t().matmul(directions).abs().sum().item<double>() < 1e-11);
    // The projector is the one of an explicit QR decomposition.
    Matrix expected = Matrix::Identity(n, n);
    if (k > 0) {
      const Eigen::HouseholderQR<Eigen::MatrixXd> qr(to_eigen(directions));
      const Eigen::MatrixXd q = qr.householderQ() * Eigen::MatrixXd::Identity(n, k);
      expected -= q * q.transpose();
    }
    CHECK((to_eigen(u.matmul(u.t())) - expected).norm() < 1e-12);

    const Tensor x = normal({5, n}, 4), c = normal({5, n - k}, 5);
    CHECK(relative_error(complement.project_rows(x), x.matmul(u)) < 1e-13);
    CHECK(relative_error(complement.expand_rows(c), c.matmul(u.t())) < 1e-13);
    CHECK(relative_error(complement.project_columns(x.t()), u.t().matmul(x.t())) < 1e-13);
    CHECK(relative_error(complement.expand_columns(c.t()), u.matmul(c.t())) < 1e-13);
    const Complement again = Complement::restored(complement.tensors(), n, k);
    CHECK(at::equal(again.expand_rows(c), complement.expand_rows(c)));
    if (k > 0) {
      CHECK_THROWS_WITH(Complement::restored(complement.tensors(), n + 1, k),
                        Catch::Contains("expected ["));
    }
    // In float32.
    const Tensor single = basis_of(Complement::of(directions, at::kFloat), at::kFloat);
    const Tensor overlap = single.t().to(at::kDouble).matmul(directions);
    CHECK(overlap.norm().item<double>() <= 2e-7 * directions.norm().item<double>());
  }
}

TEST_CASE("directions may be unit vectors, zero, or depend on each other", "[params][osft]") {
  for (const std::int64_t n : {6, 20}) {  // explicit and implicit
    Tensor directions = at::zeros({n, 5}, at::kDouble);
    directions[0][0] = -2.0;
    directions[1][1] = 1.0;
    directions.select(1, 3).copy_(normal({n}, 8));
    directions.select(1, 4).copy_(directions.select(1, 3) * 2 + directions.select(1, 0));
    const Tensor u = basis_of(Complement::of(directions, at::kDouble));
    CHECK((u.t().matmul(u) - at::eye(n - 5, u.options())).abs().max().item<double>() < 1e-14);
    CHECK(u.t().matmul(directions).abs().max().item<double>() < 1e-13);
  }
}
