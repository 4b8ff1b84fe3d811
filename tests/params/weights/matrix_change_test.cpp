// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/weights/matrix_change.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;

TEST_CASE("a change is added whatever its form", "[params]") {
  const Tensor w = normal({6, 8}, 1), left = normal({6, 2}, 2), right = normal({2, 8}, 3);
  const auto sum = [&](const MatrixChange& change) {
    Tensor changed = w.clone();
    change.add_to(changed);
    return changed;
  };
  CHECK(at::equal(sum({}), w));
  CHECK(relative_error(sum({left, right}), w + left.matmul(right)) < 1e-14);
  CHECK(at::equal(sum({w, {}}), w + w));
  CHECK_FALSE(MatrixChange{}.defined());
  CHECK(MatrixChange{left, right}.to(at::kFloat).dense().scalar_type() == at::kFloat);
}

TEST_CASE("sums of products stay a product while that is smaller than the matrix", "[params]") {
  // A product of rank r takes 14 r numbers, the matrix 48.
  const auto change = [](std::int64_t rank, std::uint64_t seed) {
    return MatrixChange{normal({6, rank}, seed), normal({rank, 8}, seed + 1)};
  };
  const MatrixChange one = change(1, 1), two = change(2, 3), three = change(3, 5);
  const MatrixChange small = one.plus(two), large = two.plus(three);
  CHECK(small.right.defined());
  CHECK(small.bytes() == 8 * 3 * 14);
  CHECK(relative_error(small.dense(), one.dense() + two.dense()) < 1e-14);
  CHECK_FALSE(large.right.defined());
  CHECK(large.bytes() == 8 * 48);
  CHECK(relative_error(large.dense(), two.dense() + three.dense()) < 1e-14);
  CHECK(relative_error(large.plus(one).dense(), large.dense() + one.dense()) < 1e-14);
  CHECK(MatrixChange{}.plus(one).left.is_same(one.left));
  CHECK(MatrixChange{}.bytes() == 0);
}
