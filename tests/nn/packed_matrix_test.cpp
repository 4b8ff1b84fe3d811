// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/packed_matrix.hpp"

#include <limits>
#include <vector>

#include "posttrain/base/error.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;

namespace {

struct WithThreads {
  explicit WithThreads(int threads) { at::set_num_threads(threads); }
  ~WithThreads() { at::set_num_threads(before); }
  int before = at::get_num_threads();
};

// The largest error of a number of x wᵀ over the norms of its row of x and its row of w.
double error_by_norms(const Tensor& y, const Tensor& x, const Tensor& w) {
  const Tensor a = x.to(at::kDouble), b = w.to(at::kDouble);
  const Tensor norms = a.norm(2, 1, true) * b.norm(2, 1, true).t();
  return ((y.to(at::kDouble) - at::matmul(a, b.t())).abs() / norms).max().item<double>();
}

// float32: sums of up to 5,000 numbers one after the other. bfloat16: one rounding, 2⁻⁸.
double tolerance(at::ScalarType type) { return type == at::kFloat ? 1e-6 : 3.92e-3; }

}  // namespace

TEST_CASE("A packed matrix multiplies as in double, whatever its size", "[gemm]") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const auto [out, in] =
      GENERATE(std::tuple{1, 1}, std::tuple{1, 70}, std::tuple{70, 1}, std::tuple{48, 64},
               std::tuple{47, 33}, std::tuple{49, 130}, std::tuple{200, 257}, std::tuple{50, 5001});
  const Tensor w = normal({out, in}, 1, type);
  if (!PackedMatrix::packs(w)) return;  // what other processors and settings leave to matmul_nt
  const PackedMatrix packed(w);
  CHECK(packed.out() == out);
  CHECK(packed.in() == in);
  CHECK(packed.bytes() >= static_cast<std::int64_t>(w.nbytes()));
  for (const std::int64_t m : {1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 63, 64, 65, 66, 128, 130, 256}) {
    INFO(type << " [" << out << ", " << in << "], " << m << " rows");
    const Tensor x = normal({m, in}, 2, type);
    for (const RowBlocks blocks : {RowBlocks::any, RowBlocks::fixed}) {
      const Tensor y = packed.times(x, blocks);
      CHECK(y.sizes() == at::IntArrayRef({m, out}));
      CHECK(y.scalar_type() == type);
      CHECK(error_by_norms(y, x, w) < tolerance(type));
    }
  }
  CHECK(packed.times(normal({0, in}, 2, type)).sizes() == at::IntArrayRef({0, out}));
}

TEST_CASE("A packed matrix reads strided views", "[gemm]") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const Tensor memory = normal({150, 301}, 1, type), rows = normal({40, 300}, 2, type);
  if (!PackedMatrix::packs(memory)) return;
  for (const Tensor& w :
       {memory.narrow(0, 3, 100).narrow(1, 7, 90), memory.narrow(0, 3, 100).narrow(1, 8, 91),
        memory.t().narrow(0, 11, 60).narrow(1, 1, 90)}) {
    const PackedMatrix packed(w), contiguous(w.clone(at::MemoryFormat::Contiguous));
    for (const Tensor& x :
         {rows.narrow(1, 5, w.size(1)), rows.narrow(0, 4, 1).narrow(1, 9, w.size(1)),
          rows.t().narrow(1, 1, 30).narrow(0, 0, w.size(1)).t(),
          rows.narrow(1, 0, w.size(1)).narrow(0, 0, 1).expand({5, w.size(1)})}) {
      for (const RowBlocks blocks : {RowBlocks::any, RowBlocks::fixed}) {
        const Tensor y = packed.times(x, blocks);
        CHECK(error_by_norms(y, x, w) < tolerance(type));
        CHECK(y.equal(contiguous.times(x.clone(at::MemoryFormat::Contiguous), blocks)));
      }
    }
  }
}

// Among them the bits that one row (of float32 a loop of its own) and many (brgemm) give.
TEST_CASE("A row times a packed matrix does not depend on how many rows there are", "[gemm]") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const auto [out, in] = GENERATE(std::tuple{100, 96}, std::tuple{61, 2500}, std::tuple{512, 333});
  const auto blocks = GENERATE(RowBlocks::any, RowBlocks::fixed);
  const Tensor w = normal({out, in}, 1, type), x = normal({256, in}, 2, type);
  if (!PackedMatrix::packs(w)) return;
  const PackedMatrix packed(w);
  const WithThreads one(1);
  const Tensor all = packed.times(x, blocks);
  for (std::int64_t m = 1; m <= 64; ++m) {
    // One kernel for up to four rows of bfloat16, another for more.
    const bool few = m <= 4 && type == at::kBFloat16 && blocks == RowBlocks::any;
    const auto expected = [&](std::int64_t row) {
      return (few ? packed.times(x.narrow(0, row, 4), blocks) : all.narrow(0, row, m))
          .narrow(0, 0, m);
    };
    INFO(type << " [" << out << ", " << in << "], " << m << " rows");
    // At the front, and somewhere among others.
    CHECK(packed.times(x.narrow(0, 0, m), blocks).equal(expected(0)));
    CHECK(packed.times(x.narrow(0, 101, m), blocks).equal(expected(101)));
  }
}

TEST_CASE("Fixed blocks give a row's bits for any number of rows and threads", "[gemm]") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const Tensor w = normal({331, 200}, 1, type), x = normal({1000, 200}, 2, type);
  if (!PackedMatrix::packs(w)) return;
  const PackedMatrix packed(w);
  const Tensor all = packed.times(x, RowBlocks::fixed);
  for (const int threads : {1, 2, 3}) {
    const WithThreads with(threads);
    CHECK(packed.times(x, RowBlocks::fixed).equal(all));
    CHECK(packed.times(x).equal(packed.times(x)));
    for (const std::int64_t m : {1, 7, 64}) {
      for (const std::int64_t slot : {0, 3, 500, 936}) {
        CHECK(packed.times(x.narrow(0, slot, m), RowBlocks::fixed).equal(all.narrow(0, slot, m)));
      }
    }
  }
}

TEST_CASE("The number of threads changes nothing in a packed product", "[gemm]") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const Tensor w = normal({700, 300}, 1, type);
  if (!PackedMatrix::packs(w)) return;
  const PackedMatrix packed(w);
  for (const std::int64_t m : {1, 2, 6, 40, 100}) {
    const Tensor x = normal({m, 300}, 2, type);
    std::vector<Tensor> results;
    for (const int threads : {1, 2, 4}) {
      const WithThreads with(threads);
      results.push_back(packed.times(x));
    }
    CHECK(results[1].equal(results[0]));
    CHECK(results[2].equal(results[0]));
  }
}

TEST_CASE("A packed matrix does not see later changes of what it was packed from", "[gemm]") {
  const Tensor w = normal({50, 60}, 1, at::kFloat), x = normal({3, 60}, 2, at::kFloat);
  if (!PackedMatrix::packs(w)) return;
  const PackedMatrix packed(w);
  const Tensor before = packed.times(x);
  w.zero_();
  CHECK(packed.times(x).equal(before));
}

TEST_CASE("Products with packed matrices carry what is not finite where it belongs", "[gemm]") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const Tensor w = normal({50, 61}, 1, type), x = normal({9, 61}, 2, type);
  if (!PackedMatrix::packs(w)) return;
  const Tensor clean = PackedMatrix(w).times(x, RowBlocks::fixed);
  x.select(0, 4).fill_(std::numeric_limits<double>::quiet_NaN());
  const Tensor y = PackedMatrix(w).times(x, RowBlocks::fixed);
  CHECK(y.select(0, 4).isnan().all().item<bool>());
  CHECK(y.narrow(0, 0, 4).equal(clean.narrow(0, 0, 4)));
  CHECK(y.narrow(0, 5, 4).equal(clean.narrow(0, 5, 4)));
}

TEST_CASE("What cannot be packed is said", "[gemm]") {
  CHECK_FALSE(PackedMatrix::packs(Tensor()));
  CHECK_FALSE(PackedMatrix::packs(at::ones({4}, at::kFloat)));
  CHECK_FALSE(PackedMatrix::packs(at::ones({4, 4}, at::kDouble)));
  CHECK_FALSE(PackedMatrix::packs(at::empty({0, 4}, at::kFloat)));
  CHECK_THROWS_WITH(
      PackedMatrix(at::ones({4, 3}, at::kDouble)),
      "PackedMatrix expected a CPU matrix of float32 or bfloat16 and a processor with "
      "AVX2, got [4, 3]");
  if (!PackedMatrix::packs(at::ones({4, 3}, at::kFloat))) return;
  const PackedMatrix packed(at::ones({4, 3}, at::kFloat));
  CHECK_THROWS_WITH(
      packed.times(at::ones({2, 4}, at::kFloat)),
      "PackedMatrix::times expected a CPU matrix [m, 3] of Float, got [2, 4] of Float");
  CHECK_THROWS_WITH(packed.times(at::ones({2, 3}, at::kBFloat16)),
                    "PackedMatrix::times expected a CPU matrix [m, 3] of Float, got [2, 3] of "
                    "BFloat16");
}
