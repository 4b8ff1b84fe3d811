// SPDX-License-Identifier: Apache-2.0
// The kernel of docs/devices.md.
#include "support/own_kernel.hpp"

#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using posttrain::test::test_device;

TEST_CASE("a kernel of one's own clamps a tensor", "[kernels]") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const std::int64_t size = GENERATE(1, 64, 1003);
  const Tensor x = kernel_test::normal({size}, 1, type);
  CHECK(cuda::clamped(x.to(test_device()), 0.5).to(at::kCPU).equal(x.clamp(-0.5, 0.5)));
}
