// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/parameter_buffer.hpp"

#include <cstdint>

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("views of a buffer are its shapes, apart from each other and aligned", "[tensor]") {
  for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    ParameterBuffer buffer;
    const int first = buffer.add({3, 5}), second = buffer.add({}), third = buffer.add({16});
    CHECK(buffer.size() == 48);  // each filled up to 16
    const ParameterGroup group = buffer.allocate("matrices", dtype, at::kCPU, /*decay=*/true);
    CHECK(group.name == "matrices");
    CHECK(group.decay);
    CHECK(group.value.scalar_type() == dtype);
    CHECK(group.master.scalar_type() == master_dtype(dtype));
    CHECK(group.value.is_same(group.master) == (dtype != at::kBFloat16));
    CHECK(group.master.abs().sum().item<double>() == 0.0);

    CHECK(buffer.view(first).value.sizes() == at::IntArrayRef({3, 5}));
    CHECK(buffer.view(second).value.dim() == 0);
    buffer.view(first).master.fill_(1.0);
    buffer.view(third).master.fill_(2.0);
    CHECK(group.master.sum().item<double>() == 15.0 + 32.0);
    buffer.view(second).grad.fill_(3.0);
    CHECK(group.grad[16].item<double>() == 3.0);
    for (const int index : {first, second, third}) {
      const auto place =
          reinterpret_cast<std::uintptr_t>(buffer.view(index).grad.const_data_ptr()) -
          reinterpret_cast<std::uintptr_t>(group.grad.const_data_ptr());
      CHECK(place % 64 == 0);
    }
  }
}

TEST_CASE("an empty buffer has empty groups", "[tensor]") {
  ParameterBuffer buffer;
  CHECK(buffer.allocate("none", at::kFloat, at::kCPU, false).value.numel() == 0);
}
