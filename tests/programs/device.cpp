// SPDX-License-Identifier: Apache-2.0
// Names a device and computes on it, for tests/end_to_end/device_test.py:
//   device NAME [late | touch | norm]     late: after work on the CPU that asks LibTorch whether
//   there is CUDA; touch: the host reads the device's memory, as no program may; norm: two norms,
//   by a kernel where there is a compiler
#include "posttrain/tensor/device.hpp"

#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <string_view>

#include "posttrain/base/error_text.hpp"
#include "posttrain/nn/rms_norm.hpp"
#include "posttrain/tensor/ops.hpp"

int main(int argc, char** argv) {
  try {
    const std::string_view how = argc > 2 ? argv[2] : "";
    if (how == "late") {
      at::ones({2}).requires_grad_().sum().backward();
    }
    const posttrain::Device device(argc > 1 ? argv[1] : "cpu");
    const at::Tensor ones = at::ones({3}, at::TensorOptions(device));
    at::Tensor sum = ones.sum();
    if (how == "norm") {
      sum = posttrain::rms_norm(posttrain::rms_norm(ones, ones, 0.0), ones, 0.0).sum();
    }
    if (how == "touch") fmt::print("{}\n", *sum.const_data_ptr<float>());
    fmt::print("{} {}\n", sum.device().str(), sum.item<double>());
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", posttrain::error_text(error));
    return 1;
  }
  return 0;
}
