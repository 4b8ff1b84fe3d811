// SPDX-License-Identifier: Apache-2.0
// What the machine can do: nothing in the other parts can be faster.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include "gpu/program.hpp"
#include "posttrain/tensor/cuda/compiler.hpp"
#include "posttrain/tensor/cuda/driver.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"
#include "support/device_programs.hpp"

namespace posttrain::gpu {

struct Ceilings {
  Common common;

  void add_to(CLI::App& /*app*/) {}

  void run() const {
    const Stopwatch loading;
    const Device device(common.device);
    const Tensor one = at::ones({1}, at::TensorOptions(device).dtype(at::kFloat));
    finish_work(device);
    say({{"ceiling", "load"}, {"unit", "s"}, {"value", loading.seconds()}});
    say({{"ceiling", "copy"},
         {"unit", "GB/s"},
         {"value", copied_bytes_per_second(device, common.tiny) / 1e9}});
    say({{"ceiling", "product, bfloat16"}, {"unit", "TFLOP/s"}, {"value", product(device) / 1e12}});
    const double launch = seconds_of(device, common.tiny ? 20 : 2000, [&] { one.add_(1.0); });
    say({{"ceiling", "launch"}, {"unit", "us"}, {"value", launch * 1e6}});
    compile(device);
  }

 private:
  double product(const Device& device) const {
    const std::int64_t n = common.tiny ? 64 : 8192;
    const auto options = at::TensorOptions(device).dtype(at::kBFloat16);
    // Of varied bits: equal ones take less power, and the clock goes up.
    const Tensor x = at::arange(n * n, options.dtype(at::kFloat)).mul(0.7).sin().view({n, n});
    const Tensor a = x.to(at::kBFloat16), b = x.cos().to(at::kBFloat16);
    const double side = static_cast<double>(n);
    return 2.0 * side * side * side / seconds_of(device, 10, [&] { at::mm(a, b); });
  }

  /// All programs of the library, in the form that a bfloat16 model of usual sizes takes.
  void compile(const Device& device) const {
    if (device.is_cpu()) return;
    const cuda::Compiler& compiler = cuda::Compiler::get();
    if (!compiler.error().empty()) raise("no kernels can be compiled: {}", compiler.error());
    const int index = at::Device(device).index();
    const int architecture = cuda::Driver::get().capability(index);
    const Stopwatch watch;
    for (const cuda::DeviceProgram* program : test::kDevicePrograms) {
      const cuda::Compiled made =
          compiler.compile(cuda::source_of(*program, at::kBFloat16, 8), architecture);
      if (!made.error.empty()) raise("kernel program {}: {}", program->name, made.error);
    }
    say({{"ceiling", "compiling all kernels"}, {"unit", "s"}, {"value", watch.seconds()}});
  }
};

}  // namespace posttrain::gpu
