// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/osft/complement.hpp"

#include "posttrain/io/tensor_io.hpp"
#include "posttrain/params/osft/principal_angles.hpp"
#include "posttrain/params/osft/subspace.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/osft.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace osft_test;
using kernel_test::normal;
using kernel_test::relative_error;
using posttrain::test::TempFolder;

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

TEST_CASE("protected subspaces are those of Eigen's singular value decomposition",
          "[params][osft]") {
  struct Size {
    std::int64_t rows, in, rank;
  };
  for (const auto& [rows, in, rank] : {Size{24, 24, 12}, Size{24, 24, 3}, Size{60, 24, 12},
                                       Size{24, 60, 20}, Size{200, 30, 29}, Size{30, 200, 30}}) {
    INFO(rows << " x " << in << ", rank " << rank);
    const Tensor w = normal({rows, in}, 21, at::kFloat);
    const Directions svd = leading(w, rank);
    for (const auto type : {at::kDouble, at::kFloat}) {
      const OsftComplements c = osft_complements(w, rank, type);
      CHECK(c.left.size() == rows - rank);
      CHECK(c.right.size() == in - rank);
      const double tolerance = type == at::kDouble ? 1e-11 : 1e-6;
      const auto overlap = [](const Matrix& a, const Tensor& b) {
        return b.numel() > 0 ? (a.transpose() * to_eigen(b)).norm() : 0.0;
      };
      CHECK(overlap(svd.left, basis_of(c.left, type)) < tolerance);
      CHECK(overlap(svd.right, basis_of(c.right, type)) < tolerance);
    }
  }
  CHECK_THROWS_WITH(osft_complements(normal({4, 3}, 1), 4, at::kFloat),
                    Catch::Contains("expected a rank from 0 to 3, got 4"));
}

TEST_CASE("matrices of low rank keep what they have", "[params][osft]") {
  const Tensor w = normal({30, 4}, 1).matmul(normal({4, 20}, 2));
  const OsftComplements c = osft_complements(w, 10, at::kDouble);
  const Tensor u = basis_of(c.left), v = basis_of(c.right);
  CHECK(u.isfinite().all().item<bool>());
  CHECK((u.t().matmul(u) - at::eye(20, u.options())).abs().max().item<double>() < 1e-13);
  CHECK((u.t().matmul(w)).abs().max().item<double>() < 1e-11);
  CHECK((w.matmul(v)).abs().max().item<double>() < 1e-11);
  const Tensor zero = at::zeros({6, 9}, at::kDouble);
  CHECK(basis_of(osft_complements(zero, 3, at::kDouble).left).isfinite().all().item<bool>());
}

TEST_CASE("complements of a square matrix are exact however small its last singular values are",
          "[params][osft]") {
  const std::int64_t n = 24, rank = 10;
  const auto orthogonal = [&](std::uint64_t seed) {
    return std::get<0>(at::linalg_qr(normal({n, n}, seed)));
  };
  const Tensor left = orthogonal(1), right = orthogonal(2);
  for (const double least : {1.0, 1e-2, 1e-3, 1e-4, 1e-7, 0.0}) {
    INFO("from 2 to 1 those protected, the others from 0.9 to 0.9 * " << least);
    Tensor values = at::empty({n}, at::kDouble);
    for (std::int64_t i = 0; i < n; ++i) {
      const double place = static_cast<double>(i - rank) / static_cast<double>(n - rank - 1);
      values[i] = i < rank ? 2.0 - static_cast<double>(i) / 10 : 0.9 * (1 + place * (least - 1));
    }
    const Tensor w = (left * values).matmul(right.t());
    const OsftComplements c = osft_complements(w, rank, at::kFloat);
    for (const auto& [side, vectors] : {std::pair(&c.left, left), {&c.right, right}}) {
      const Tensor u = basis_of(*side, at::kFloat).to(at::kDouble);
      CHECK((u.t().matmul(u) - at::eye(n - rank, u.options())).abs().max().item<double>() < 3e-7);
      CHECK(u.t().matmul(vectors.narrow(1, 0, rank)).norm().item<double>() < 1e-6);
    }
  }
}

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

TEST_CASE("subspaces are kept in a folder by content", "[params][osft]") {
  const TempFolder folder;
  const std::string path = (folder / "subspaces").string();
  const Tensor w = normal({30, 12}, 4, at::kFloat), x = normal({5, 30}, 5, at::kFloat);
  const auto first = cached_osft_complements(path, w, 5, at::kFloat);
  const auto count = [&] {
    return std::distance(io::fs::directory_iterator(path), io::fs::directory_iterator());
  };
  CHECK(count() == 1);
  const auto second = cached_osft_complements(path, w, 5, at::kFloat);
  CHECK(count() == 1);
  CHECK(at::equal(first.left.project_rows(x), second.left.project_rows(x)));
  CHECK(at::equal(first.left.project_rows(x),
                  osft_complements(w, 5, at::kFloat).left.project_rows(x)));
  // What is read is what lies there.
  const io::fs::path file = io::fs::directory_iterator(path)->path() / "complements.safetensors";
  auto tensors = io::load_tensors(file);
  CHECK(tensors.size() == 3);  // left: two, implicit; right: one
  std::vector<std::pair<std::string, Tensor>> changed;
  for (auto& [name, tensor] : tensors) changed.emplace_back(name, tensor * 2);
  io::save_tensors(file, changed);
  CHECK_FALSE(at::equal(cached_osft_complements(path, w, 5, at::kFloat).left.project_rows(x),
                        first.left.project_rows(x)));
  // Another matrix, rank or type is another entry.
  cached_osft_complements(path, w, 4, at::kFloat);
  cached_osft_complements(path, w, 5, at::kDouble);
  cached_osft_complements(path, w + 1e-6, 5, at::kFloat);
  cached_osft_complements(path, w.view({12, 30}), 5, at::kFloat);
  CHECK(count() == 5);
}
