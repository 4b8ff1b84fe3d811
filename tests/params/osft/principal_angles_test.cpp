// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/osft/principal_angles.hpp"

#include "posttrain/params/osft/subspace.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/osft.hpp"

using namespace posttrain;
using namespace osft_test;
using kernel_test::normal;
using kernel_test::relative_error;

TEST_CASE("principal angles are Eigen's, and those that were built in", "[params][osft]") {
  const auto orthonormal = [](const Tensor& directions) {
    const Eigen::HouseholderQR<Eigen::MatrixXd> qr(to_eigen(directions));
    const Matrix q =
        qr.householderQ() * Eigen::MatrixXd::Identity(directions.size(0), directions.size(1));
    Tensor basis = at::empty(directions.sizes(), at::kDouble);
    std::copy(q.data(), q.data() + q.size(), basis.mutable_data_ptr<double>());
    return basis;
  };
  for (const auto& [k, l] :
       {std::pair<std::int64_t, std::int64_t>(4, 4), {3, 7}, {7, 3}, {15, 9}}) {
    const Tensor a = orthonormal(normal({20, k}, 1)), b = orthonormal(normal({20, l}, 2));
    const std::vector<double> angles = principal_angles(a, b);
    const Matrix overlap = to_eigen(a).transpose() * to_eigen(b);
    const Eigen::VectorXd cosines = Eigen::JacobiSVD<Eigen::MatrixXd>(overlap).singularValues();
    REQUIRE(angles.size() == static_cast<std::size_t>(std::min(k, l)));
    CHECK(std::is_sorted(angles.begin(), angles.end()));
    for (std::size_t i = 0; i < angles.size(); ++i) {
      CHECK(std::cos(angles[i]) == Approx(cosines(static_cast<Eigen::Index>(i))).margin(1e-14));
    }
  }
  // Each direction of a subspace turned by an angle of its own, in another basis of it; a tiny
  // angle is as exact as a large one.
  const std::vector<double> built = {0.0, 1e-11, 1e-6, 0.3, 1.2, std::acos(0.0)};
  const Tensor frame = orthonormal(normal({15, 12}, 3));
  Tensor turned = at::empty({15, 6}, at::kDouble);
  for (std::int64_t i = 0; i < 6; ++i) {
    const double angle = built[static_cast<std::size_t>(i)];
    turned.select(1, i).copy_(frame.select(1, i) * std::cos(angle) +
                              frame.select(1, 6 + i) * std::sin(angle));
  }
  const Tensor mixed = turned.matmul(orthonormal(normal({6, 6}, 4)));
  const std::vector<double> angles = principal_angles(frame.narrow(1, 0, 6), mixed);
  for (std::size_t i = 0; i < built.size(); ++i) {
    CHECK(angles[i] == Approx(built[i]).epsilon(1e-4).margin(1e-14));
  }
  CHECK(principal_angles(frame.narrow(1, 0, 0), mixed).empty());
  CHECK_THROWS_WITH(principal_angles(frame, normal({14, 2}, 1)),
                    Catch::Contains("two bases of one space"));
  CHECK_THROWS_WITH(principal_angles(frame, normal({15, 2}, 1)),
                    Catch::Contains("are not orthonormal"));
}

TEST_CASE("protected subspaces of a weight before and after a change", "[params][osft]") {
  for (const auto& [rows, in] : {std::pair<std::int64_t, std::int64_t>(24, 10), {10, 24}}) {
    const Tensor w = normal({rows, in}, 21, at::kFloat);
    const ProtectedSubspaces before = protected_subspaces(w, 4);
    const Directions svd = leading(w, 4);
    CHECK((to_eigen(before.left).transpose() * svd.left).cwiseAbs().isIdentity(1e-10));
    CHECK((to_eigen(before.right).transpose() * svd.right).cwiseAbs().isIdentity(1e-10));
    // A change in the complements leaves singular vectors and values alone, and a small one their
    // order; one of the whole matrix turns them.
    const OsftComplements c = osft_complements(w, 4, at::kDouble);
    const Tensor core = normal({rows - 4, in - 4}, 5) * 1e-3;
    const ProtectedSubspaces inside = protected_subspaces(
        w.to(at::kDouble) + c.left.expand_columns(c.right.expand_rows(core)), 4);
    CHECK(principal_angles(before.left, inside.left).back() < 1e-12);
    CHECK(principal_angles(before.right, inside.right).back() < 1e-12);
    const ProtectedSubspaces outside =
        protected_subspaces(w.to(at::kDouble) + normal({rows, in}, 6) * 0.1, 4);
    CHECK(principal_angles(before.left, outside.left).back() > 1e-2);
    CHECK(protected_subspaces(w, 0).left.sizes() == at::IntArrayRef({rows, 0}));
  }
  // What a matrix lacks in rank is filled up.
  const Tensor flat = normal({9, 2}, 1).matmul(normal({2, 7}, 2));
  const ProtectedSubspaces filled = protected_subspaces(flat, 5);
  CHECK((filled.left.t().matmul(filled.left) - at::eye(5, at::kDouble)).abs().max().item<double>() <
        1e-13);
}
