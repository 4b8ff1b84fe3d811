// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/osft/subspace.hpp"

#include "posttrain/base/describe.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/params/osft.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/osft.hpp"
#include "support/temp_folder.hpp"

template class Eigen::JacobiSVD<Eigen::MatrixXd>;
template class Eigen::HouseholderQR<Eigen::MatrixXd>;

using namespace posttrain;
using namespace osft_test;
using kernel_test::normal;
using kernel_test::relative_error;

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

TEST_CASE("subspaces are kept in a folder by content", "[params][osft]") {
  const test::TempFolder folder;
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

TEST_CASE("every projection reaches all of its set, each change once", "[params][osft]") {
  for (const OsftProjection projection : kProjections) {
    for (const double ratio : {0.25, 0.75, 1.0}) {
      const OsftState<Dense> state =
          Osft{.unfreeze_rank_ratio = ratio, .projection = projection}.attach(
              OsftModel{.tied = false});
      for (const OsftTarget* target : state.targets()) {
        INFO(target->name << " at " << ratio << ", " << enum_name(projection));
        const std::int64_t rows = target->rows, in = target->in, k = target->rank();
        const std::int64_t size = projection == OsftProjection::both_sides ? (rows - k) * (in - k)
                                  : projection == OsftProjection::joint    ? rows * in - k * k
                                                                           : rows * (in - k);
        // The map from cores to changes, column by column: every one is allowed, and they are
        // orthonormal, so the set is reached as a whole and Adam's steps are of one size.
        Tensor map = at::zeros({rows * in, size}, at::kDouble);
        const Directions protect =
            leading(target->base.defined() ? target->base : target->weight, k);
        std::int64_t column = 0;
        for (const OsftCore& core : target->cores) {
          for (std::int64_t i = 0; i < core.values.master.numel(); ++i) {
            Tensor unit = at::zeros_like(core.values.master);
            unit.view({-1})[i] = 1.0;
            const Tensor change = core.product(unit);
            if (k > 0) REQUIRE(forbidden(projection, to_eigen(change), protect) < 1e-12);
            map.select(1, column++).copy_(change.reshape({-1}));
          }
        }
        REQUIRE(column == size);
        const Tensor gram = map.t().matmul(map);
        CHECK((gram - at::eye(size, gram.options())).abs().max().item<double>() < 1e-12);
      }
    }
  }
}

TEST_CASE("weighted directions are those of W times the root of the inputs' moments",
          "[params][osft]") {
  for (const auto& [rows, in] : {std::pair<std::int64_t, std::int64_t>(12, 20), {20, 12}}) {
    const Tensor w = normal({rows, in}, 1), x = normal({50, in}, 2) * normal({in}, 3).exp();
    const Tensor gram = x.t().matmul(x) / 50.0;
    Matrix g = to_eigen(gram);
    g += Matrix::Identity(in, in) * (1e-4 * g.diagonal().mean());
    const Matrix root = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(g).operatorSqrt();
    const Eigen::JacobiSVD<Eigen::MatrixXd> svd(to_eigen(w) * root,
                                                Eigen::ComputeThinU | Eigen::ComputeThinV);
    const std::int64_t k = 5;
    const LeadingDirections found = leading_directions(w, k, gram);
    // Orthogonal to the rest on the left, and on the right in whitened coordinates.
    const Matrix left = svd.matrixU().rightCols(std::min(rows, in) - k).transpose();
    CHECK((left * to_eigen(found.left)).norm() < 1e-9 * to_eigen(found.left).norm());
    const Matrix right = svd.matrixV().rightCols(std::min(rows, in) - k).transpose();
    const Matrix whitened = root.inverse() * to_eigen(found.right);
    CHECK((right * whitened).norm() < 1e-7 * whitened.norm());
    // White inputs: the ordinary ones.
    const LeadingDirections white = leading_directions(w, k, at::eye(in, at::kDouble) * 3);
    const LeadingDirections plain = leading_directions(w, k);
    const Complement of_plain = Complement::of(plain.right, at::kDouble);
    CHECK(of_plain.project_columns(white.right).norm().item<double>() <
          1e-9 * white.right.norm().item<double>());
  }
  CHECK_THROWS_WITH(leading_directions(normal({4, 3}, 1), 1, normal({4, 4}, 2)),
                    Catch::Contains("expected second moments [3, 3], got [4, 4]"));
}
