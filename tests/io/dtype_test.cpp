// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/dtype.hpp"

#include "support/catch.hpp"

using posttrain::io::Dtype;
using posttrain::io::dtype_bits;
using posttrain::io::dtype_name;
using posttrain::io::find_dtype;

TEST_CASE("every element type is found under its own name") {
  for (int i = 0; i <= static_cast<int>(Dtype::kF4); ++i) {
    const auto dtype = static_cast<Dtype>(i);
    INFO(dtype_name(dtype));
    CHECK(find_dtype(dtype_name(dtype)) == dtype);
  }
  CHECK_FALSE(find_dtype("f32").has_value());
  CHECK_FALSE(find_dtype("").has_value());
}

TEST_CASE("names and sizes are those of the format") {
  static_assert(dtype_name(Dtype::kBF16) == "BF16");
  static_assert(dtype_bits(Dtype::kBool) == 8);
  static_assert(dtype_bits(Dtype::kC64) == 64);
  CHECK(dtype_name(Dtype::kF8E4M3) == "F8_E4M3");
  CHECK(dtype_bits(Dtype::kF8E5M2Fnuz) == 8);
  CHECK(dtype_bits(Dtype::kF6E3M2) == 6);
  CHECK(dtype_bits(Dtype::kF4) == 4);
}
