// SPDX-License-Identifier: Apache-2.0
// Names of devices. What is said where CUDA cannot be had: tests/end_to_end/device_test.py.
#include "posttrain/tensor/device.hpp"

#include "posttrain/tensor/tensor.hpp"
#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("a device is a value: a name or LibTorch's own", "[tensor]") {
  CHECK(Device().text() == "cpu");
  CHECK(Device("cpu").is_cpu());
  CHECK(Device(at::kCPU).is_cpu());
  CHECK(Device(std::string("cpu")).text() == "cpu");
  const at::Device own = Device("cpu");
  CHECK(own == at::Device(at::kCPU));
  CHECK_FALSE(Device().is_cuda());
}

TEST_CASE("a name that is no device is refused with those that are", "[tensor]") {
  for (const char* name : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda:999", "CPU"}) {
    INFO(name);
    CHECK_THROWS_WITH(Device(name),
                      "expected a device: cpu, cuda or cuda:N, got \"" + std::string(name) + "\"");
  }
}
