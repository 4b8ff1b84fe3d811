// SPDX-License-Identifier: Apache-2.0
// Definitions of kernel.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/tensor/cuda/compiler.hpp"
#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/driver.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"

namespace posttrain::cuda {

namespace detail {

/// Programs and kernels that are loaded: few, so that a look at each is as fast as a map.
class LoadedKernels {
 public:
  static LoadedKernels& get() {
    static LoadedKernels all;
    return all;
  }

  /// The context of the device is this thread's.
  Driver::Function find(const DeviceProgram& program, const char* kernel, const Variant& variant) {
    const std::scoped_lock lock(mutex_);
    for (const Loaded& each : functions_) {
      if (each.name == kernel && each.is(program, variant)) return each.handle;
    }
    Driver::Function function = nullptr;
    if (const Driver::Result result =
            Driver::get().module_function(&function, module_of(program, variant), kernel);
        result != 0) {
      raise("kernel {} is not in program {}: {}", kernel, program.name, Driver::get().text(result));
    }
    functions_.push_back({program.code, kernel, variant, function});
    return function;
  }

 private:
  /// A program's module, or a kernel's function, in one form. Names and codes are literals.
  struct Loaded {
    const char* code;
    const char* name;
    Variant variant;
    void* handle;

    bool is(const DeviceProgram& program, const Variant& other) const {
      return code == program.code && variant.device == other.device &&
             variant.element == other.element && variant.v == other.v;
    }
  };

  Driver::Module module_of(const DeviceProgram& program, const Variant& variant) {
    for (const Loaded& each : modules_) {
      if (each.is(program, variant)) return each.handle;
    }
    modules_.push_back({program.code, program.name, variant, load(program, variant)});
    return modules_.back().handle;
  }

  static Driver::Module load(const DeviceProgram& program, const Variant& variant) {
    const Driver& driver = Driver::get();
    const int architecture = driver.capability(variant.device.index());
    const Compiled made =
        Compiler::get().compile(source_of(program, variant.element, variant.v), architecture);
    if (!made.error.empty()) {
      raise("kernel program {} for {} with {} at a time does not compile for sm_{}: {}",
            program.name, c10::toString(variant.element), variant.v, architecture, made.error);
    }
    Driver::Module module = nullptr;
    if (const Driver::Result result = driver.module_load(&module, made.image.data()); result != 0) {
      raise(
          "kernel program {} for sm_{} cannot be loaded: {}; hint: an older driver than LibTorch "
          "needs? POSTTRAIN_KERNELS=generic does without kernels",
          program.name, architecture, driver.text(result));
    }
    return module;
  }

  std::mutex mutex_;
  std::vector<Loaded> modules_, functions_;
};

/// Whether programs can be compiled; where not, says so.
inline bool compiler_is_there() {
  static const bool there = [] {
    const std::string& error =
        Driver::get().error.empty() ? Compiler::get().error() : Driver::get().error;
    if (!error.empty()) {
      fmt::print(stderr,
                 "posttrain: no kernels of its own on CUDA, plain operations instead: {}; hint: "
                 "pip install nvidia-cuda-nvrtc\n",
                 error);
    }
    return error.empty();
  }();
  return there;
}

inline bool is_aligned(const Tensor& tensor) {
  return !tensor.defined() || reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) % 16 == 0;
}

}  // namespace detail

POSTTRAIN_INLINE std::string source_of(const DeviceProgram& program, at::ScalarType element,
                                       int v) {
  return fmt::format(
      "struct bf16 {{ unsigned short bits; }};\ntypedef {} Element;\nconstexpr int V = {};\n{}{}\n"
      "{}\n",
      element == at::kFloat ? "float" : "bf16", v, kDevicePrelude, kCommonCode, program.code);
}

POSTTRAIN_INLINE int Variant::threads(std::int64_t width, int most) const {
  const std::int64_t wanted = (width + v - 1) / v;
  return static_cast<int>(std::clamp<std::int64_t>((wanted + 31) / 32 * 32, 32, most));
}

POSTTRAIN_INLINE Variant variant_of(const Tensor& x, std::initializer_list<std::int64_t> strides,
                                    std::initializer_list<const Tensor*> others) {
  const int whole = x.scalar_type() == at::kFloat ? 4 : 8;
  bool fits = detail::is_aligned(x);
  for (const std::int64_t stride : strides) fits = fits && stride % whole == 0;
  for (const Tensor* other : others) fits = fits && detail::is_aligned(*other);
  return {x.device(), x.scalar_type(), fits ? whole : 1};
}

POSTTRAIN_INLINE bool has_kernels(at::Device device) {
  return device.is_cuda() && !generic_kernels() && detail::compiler_is_there();
}

POSTTRAIN_INLINE bool has_cuda_kernel(const Tensor& x) {
  return (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) && x.numel() > 0 &&
         has_kernels(x.device());
}

POSTTRAIN_INLINE void launch(const DeviceProgram& program, const char* kernel,
                             const Variant& variant, const Grid& grid, void** parameters) {
  const Driver& driver = Driver::get();
  const auto checked = [&](Driver::Result result) {
    if (result == 0) return;
    raise("kernel {} of program {} failed on {}: {}", kernel, program.name, variant.device.str(),
          driver.text(result));
  };
  checked(driver.enter(variant.device.index()));
  const Driver::Function function = detail::LoadedKernels::get().find(program, kernel, variant);
  const c10::Stream stream = c10::impl::VirtualGuardImpl(c10::kCUDA).getStream(variant.device);
  checked(driver.launch(function, static_cast<unsigned>(grid.blocks), 1, 1,
                        static_cast<unsigned>(grid.threads), 1, 1, 0, stream.native_handle(),
                        parameters, nullptr));
}

}  // namespace posttrain::cuda
