// SPDX-License-Identifier: Apache-2.0
#include "posttrain/storage/nf4.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/storage.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;
using posttrain::test::bytes_per_number;
using posttrain::test::round_trip;

TEST_CASE("Nf4 scales its blocks alone, and zeros stay zeros", "[storage]") {
  for (const std::int64_t columns : {64, 30, 13}) {
    const Tensor w = normal({9, columns}, 3, at::kFloat);
    w.view({-1}).narrow(0, 64, 40).fill_(0.0F);
    w.view({-1}).narrow(0, 0, 64).mul_(1e4F);
    const Tensor exact = round_trip(Nf4{.double_quant = false, .blocksize = 32}, w);
    // Values are at most 0.304 apart, so that none is further than 0.152 of its block's scale away.
    for (std::int64_t first = 0; first < w.numel(); first += 32) {
      const std::int64_t count = std::min<std::int64_t>(32, w.numel() - first);
      const Tensor a = w.view({-1}).narrow(0, first, count);
      const Tensor b = exact.view({-1}).narrow(0, first, count);
      const double scale = a.abs().max().item<double>();
      CHECK((a - b).abs().max().item<double>() <= 0.1520 * scale);
      CHECK(b.abs().max().item<double>() == scale);
    }
    CHECK(at::equal(round_trip(Nf4{}, at::zeros({4, 64})), at::zeros({4, 64})));
  }
}

TEST_CASE("what Nf4 has made of a matrix it stores again unchanged", "[storage]") {
  const Tensor w = normal({48, 80}, 5, at::kFloat);
  const Tensor once = round_trip(Nf4{.double_quant = false}, w);
  CHECK(at::equal(round_trip(Nf4{.double_quant = false}, once), once));
  CHECK(relative_error(round_trip(Nf4{}, w), once) < 0.02);
  CHECK(bytes_per_number(Nf4{}, w) == Approx(4.0 / 8 + 1.0 / 64 + 4.0 / (64 * 60)));
  CHECK(bytes_per_number(Nf4{.double_quant = false}, w) == Approx(4.0 / 8 + 4.0 / 64));
}

TEST_CASE("an Nf4 matrix is written to strided memory, of its own shape only", "[storage]") {
  const Nf4Matrix matrix = Nf4{}.store(normal({6, 32}, 1, at::kFloat));
  CHECK(matrix.rows() == 6);
  CHECK(matrix.nested());
  const Tensor plain = at::empty({6, 32}), strided = at::empty({32, 6}).t();
  matrix.write(plain);
  matrix.write(strided);
  CHECK(at::equal(plain, strided));
  CHECK_THROWS_WITH(matrix.write(at::empty({32, 6})),
                    "a stored matrix of [6, 32] expected a tensor of that shape to write, got "
                    "[32, 6]");
}

TEST_CASE("bad settings of Nf4 are refused", "[storage]") {
  CHECK_NOTHROW(Nf4{.blocksize = 4096}.validate());
  for (const std::int64_t size : {16, 48, 8192}) {
    CHECK_THROWS_WITH(Nf4{.blocksize = size}.validate(),
                      "posttrain: Nf4.blocksize must be a power of two from 32 to 4096");
  }
  CHECK_THROWS_WITH(Nf4{}.store(at::zeros({3})), "Nf4 expected a matrix to store, got [3]");
}
