// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/cpu/rows.hpp"

#include <type_traits>

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using namespace posttrain::detail;

TEST_CASE("a row layout finds every row of a strided view", "[nn]") {
  const Tensor buffer = kernel_test::normal({6, 40}, 1, at::kFloat);
  const Tensor heads = buffer.narrow(1, 8, 24).unflatten(1, {3, 8});
  for (const Tensor& x : {buffer, buffer.narrow(1, 3, 9), heads, heads.select(1, 2), buffer[2]}) {
    REQUIRE(has_row_layout(x));
    const RowLayout layout = row_layout(x);
    const Tensor rows = x.reshape({-1, x.size(-1)});
    REQUIRE(layout.count == rows.size(0));
    const float* data = x.const_data_ptr<float>();
    for (std::int64_t i = 0; i < layout.count; ++i) {
      CHECK(data[layout.offset(i)] == rows[i][0].item<float>());
    }
  }
  CHECK(row_layout(at::empty({4, 0})).count == 0);
}

TEST_CASE("a view without contiguous rows is copied", "[nn]") {
  const Tensor transposed = kernel_test::normal({6, 5}, 1, at::kFloat).t();
  CHECK_FALSE(has_row_layout(transposed));
  CHECK(with_row_layout(transposed).is_contiguous());
  CHECK(with_row_layout(transposed).equal(transposed));
  const Tensor plain = at::zeros({2, 3});
  CHECK(with_row_layout(plain).is_same(plain));
}

TEST_CASE("kernels take float32 and bfloat16 that are not empty", "[nn]") {
  CHECK(has_cpu_kernel(at::zeros({1}, at::kFloat)));
  CHECK(has_cpu_kernel(at::zeros({1}, at::kBFloat16)));
  CHECK_FALSE(has_cpu_kernel(at::zeros({1}, at::kDouble)));
  CHECK_FALSE(has_cpu_kernel(at::zeros({1}, at::kHalf)));
  CHECK_FALSE(has_cpu_kernel(at::zeros({0}, at::kFloat)));
  CHECK(compute_type(at::zeros({1}, at::kDouble)) == at::kDouble);
  CHECK(compute_type(at::zeros({1}, at::kHalf)) == at::kFloat);
  with_element_type(at::zeros({1}, at::kBFloat16),
                    [](auto element) { CHECK(std::is_same_v<decltype(element), c10::BFloat16>); });
}

TEST_CASE("the number of partial sums is a function of the rows alone", "[nn]") {
  CHECK(row_chunks(0) == 1);
  CHECK(row_chunks(63) == 1);
  CHECK(row_chunks(64) == 2);
  CHECK(row_chunks(1 << 20) == 64);
}
