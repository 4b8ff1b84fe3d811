// SPDX-License-Identifier: Apache-2.0
// The values of every type, against gguf-py: tests/parity/gguf_parity.py.
#include "posttrain/storage/gguf.hpp"

#include <limits>

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/storage.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;
using posttrain::test::bytes_per_number;
using posttrain::test::round_trip;

TEST_CASE("Gguf comes back within its type's step, in every dtype", "[storage]") {
  const Tensor w = normal({48, 96}, 5, at::kFloat);
  for (const auto& [type, bytes, error] : {std::tuple(GgufType::kF32, 4.0, 0.0),
                                           {GgufType::kF16, 2.0, 3e-4},
                                           {GgufType::kBF16, 2.0, 2.5e-3},
                                           {GgufType::kQ8_0, 34.0 / 32, 6e-3},
                                           {GgufType::kQ5_1, 24.0 / 32, 0.05},
                                           {GgufType::kQ5_0, 22.0 / 32, 0.06},
                                           {GgufType::kQ4_1, 20.0 / 32, 0.1},
                                           {GgufType::kQ4_0, 18.0 / 32, 0.12}}) {
    INFO(io::gguf_type_info(type).name);
    const Gguf storage{.type = type};
    const Tensor back = round_trip(storage, w);
    CHECK(relative_error(back, w) <= error);
    CHECK(bytes_per_number(storage, w) == Approx(bytes));
    for (const auto dtype : {at::kBFloat16, at::kHalf, at::kDouble}) {
      CHECK(at::equal(round_trip(storage, w, dtype), back.to(dtype)));
    }
    CHECK(at::equal(round_trip(storage, w.to(at::kDouble)), back));
  }
}

TEST_CASE("a large matrix is written in pieces, and to its own shape only", "[storage]") {
  const Tensor w = normal({300, 512}, 1, at::kFloat);
  const GgufMatrix matrix = Gguf{}.store(w);
  CHECK(matrix.rows() == 300);
  Tensor rows = at::empty({300, 512});
  for (std::int64_t i = 0; i < 300; ++i) {
    rows[i].copy_(round_trip(Gguf{}, w.narrow(0, i, 1))[0]);
  }
  const Tensor plain = at::empty({300, 512}), strided = at::empty({512, 300}).t();
  matrix.write(plain);
  matrix.write(strided);
  CHECK(at::equal(plain, rows));
  CHECK(at::equal(strided, rows));
  CHECK_THROWS_WITH(
      matrix.write(at::empty({512, 300})),
      Catch::Contains("a stored matrix of [300, 512]") && Catch::Contains("[512, 300]"));
}

TEST_CASE("rows that are not whole blocks are stored in F16", "[storage]") {
  const Tensor w = normal({4, 40}, 2, at::kFloat);
  const GgufMatrix matrix = Gguf{.type = GgufType::kQ4_0}.store(w);
  CHECK(matrix.type == GgufType::kF16);
  CHECK(at::equal(round_trip(Gguf{.type = GgufType::kQ4_0}, w), w.to(at::kHalf).to(at::kFloat)));
}

TEST_CASE("a packed matrix is the matrix again, in memory of its own", "[storage]") {
  const GgufMatrix matrix = Gguf{.type = GgufType::kQ5_0}.store(normal({6, 64}, 3, at::kFloat));
  const auto again = unpack_gguf("w", pack_gguf(matrix.type, matrix.blocks));
  REQUIRE(again.has_value());
  CHECK(again->type == GgufType::kQ5_0);
  CHECK(again->row_count == 6);
  CHECK(again->columns == 64);
  CHECK(at::equal(again->blocks, matrix.blocks));
  CHECK_FALSE(again->blocks.is_alias_of(matrix.blocks));
  CHECK_FALSE(unpack_gguf("w", {{"", matrix.blocks}}).has_value());
  CHECK_THROWS_WITH(unpack_gguf("w", pack_gguf(GgufType::kQ8_0, matrix.blocks)),
                    "w: expected a matrix that pack_gguf packed");
}

TEST_CASE("what Gguf cannot store is refused", "[storage]") {
  CHECK_NOTHROW(Gguf{.type = GgufType::kBF16}.validate());
  for (const auto type : {GgufType::kQ4_K, GgufType::kQ2_K, GgufType::kIQ4_NL}) {
    CHECK_THROWS_WITH(
        Gguf{.type = type}.validate(),
        "posttrain: Gguf.type must be F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0");
  }
  CHECK_THROWS_WITH(Gguf{}.store(at::zeros({3})), "Gguf expected a matrix to store, got [3]");
  const Tensor w = at::full({2, 32}, std::numeric_limits<float>::infinity());
  CHECK_THROWS_WITH(Gguf{}.store(w), "quantize_gguf expected finite values");
}
