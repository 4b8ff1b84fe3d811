// SPDX-License-Identifier: Apache-2.0
// Where the models of tests live: on the CPU, or on what POSTTRAIN_TEST_DEVICE names (cuda: a GPU,
// or the stand-in of tests/stand_in where LD_LIBRARY_PATH names its folder).
#pragma once

#include <cstdint>
#include <cstdlib>

#include "posttrain/tensor/device.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain::test {

inline const Device& test_device() {
  static const Device device = [] {
    const char* name = std::getenv("POSTTRAIN_TEST_DEVICE");
    return name ? Device(name) : Device();
  }();
  return device;
}

// Before any test: LibTorch settles with its first work whether there is CUDA.
inline const bool device_is_settled = !test_device().text().empty();

/// One number of a tensor on whatever device.
inline double number_at(const Tensor& tensor, std::int64_t index) {
  return tensor.view({-1}).select(0, index).item().toDouble();
}
inline void set_number(const Tensor& tensor, std::int64_t index, double value) {
  tensor.view({-1}).select(0, index).fill_(value);
}

}  // namespace posttrain::test
