// SPDX-License-Identifier: Apache-2.0
#include "posttrain/storage/int8.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/storage.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;
using posttrain::test::bytes_per_number;
using posttrain::test::round_trip;

TEST_CASE("Int8 comes back within a hundredth, block by block, and zeros stay zeros", "[storage]") {
  const Tensor w = normal({48, 80}, 5, at::kFloat);
  CHECK(relative_error(round_trip(Int8{}, w), w) < 0.01);
  CHECK(relative_error(round_trip(Int8{.blocksize = 64}, w, at::kBFloat16), w) < 0.015);
  // A row of its own scale keeps its own precision.
  const Tensor rows = normal({2, 64}, 6, at::kFloat) * at::tensor({1.0F, 1e-4F}).unsqueeze(1);
  const Tensor back = round_trip(Int8{.blocksize = 64}, rows);
  CHECK(relative_error(back[1], rows[1]) < 0.01);
  CHECK(at::equal(round_trip(Int8{}, at::zeros({3, 30})), at::zeros({3, 30})));
}

TEST_CASE("an Int8 matrix takes a byte a number and is written to its own shape only",
          "[storage]") {
  const Tensor w = normal({256, 512}, 1, at::kFloat);
  CHECK(bytes_per_number(Int8{}, w) == Approx(1.0 + 4.0 / 256));
  const Int8Matrix matrix = Int8{}.store(w);
  CHECK(matrix.rows() == 256);
  const Tensor plain = at::empty({256, 512}), strided = at::empty({512, 256}).t();
  matrix.write(plain);
  matrix.write(strided);
  CHECK(at::equal(plain, strided));
  CHECK_THROWS_WITH(
      matrix.write(at::empty({512, 256})),
      Catch::Contains("a stored matrix of [256, 512]") && Catch::Contains("[512, 256]"));
}

TEST_CASE("bad settings of Int8 are refused", "[storage]") {
  CHECK_NOTHROW(Int8{.blocksize = 64}.validate());
  for (const std::int64_t size : {32, 100, 8192}) {
    CHECK_THROWS_WITH(Int8{.blocksize = size}.validate(),
                      "posttrain: Int8.blocksize must be a power of two from 64 to 4096");
  }
  CHECK_THROWS_WITH(Int8{}.store(at::zeros({3})), "Int8 expected a matrix to store, got [3]");
}
