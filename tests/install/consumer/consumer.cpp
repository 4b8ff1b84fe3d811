// SPDX-License-Identifier: Apache-2.0
// A program of another project: links and runs with tensors and the host-side libraries.
#include <cstdio>

#include "posttrain/base/error.hpp"
#include "posttrain/batch/forest.hpp"
#include "posttrain/tensor/ops.hpp"

int main() {
  const posttrain::Tensor x = at::ones({2, 3});
  const bool sum_is_six = x.sum().item<float>() == 6.0F;
  const auto parts = posttrain::attention_parts({{0, 4, 4, 0}});
  try {
    posttrain::raise("expected {}", 1);
  } catch (const posttrain::Error& error) {
    std::printf("%zu part, %s\n", parts.size(), error.what());
  }
  return sum_is_six && parts.size() == 1 ? 0 : 1;
}
