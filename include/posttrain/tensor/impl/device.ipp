// SPDX-License-Identifier: Apache-2.0
// Definitions of device.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/tensor/device.hpp"
#ifndef POSTTRAIN_NO_CUDA
#include <ATen/detail/CUDAHooksInterface.h>

#include "posttrain/tensor/cuda/driver.hpp"
#include "posttrain/tensor/cuda/library_beside.hpp"
#endif

namespace posttrain {

namespace detail {

#ifdef POSTTRAIN_NO_CUDA

inline int cuda_devices() { return 0; }

[[noreturn]] inline c10::Device checked_cuda(c10::Device device) {
  raise(
      "expected a device of this program, which was compiled without CUDA, got {}; hint: "
      "device cpu, or compile with -Dcuda=auto",
      device.str());
}

#else

/// The least that LibTorch's attention, and bfloat16 in kernels, need.
inline constexpr int kLeastCapability = 80;

/// LibTorch's CUDA part; loaded once.
struct CudaLibrary {
  std::string error;  // of the loader; empty: it is there

  CudaLibrary() {
    if (!std::getenv("PYTORCH_ALLOC_CONF") && !std::getenv("PYTORCH_CUDA_ALLOC_CONF")) {
      // LibTorch 2.11 to the newest read this name.
      ::setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True", 0);
    }
    // Without this cuBLAS may add up in another order in another run.
    ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
    if (at::CUDAHooksRegistry()->Has("CUDAHooks")) return;  // linked
    if (::dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL)) return;
    error = loader_error();
    const std::string path = cuda::library_beside_libtorch("libtorch_cuda.so");
    if (path.empty()) return;
    if (::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL)) {
      error.clear();
    } else {
      error = loader_error();
    }
  }

  static std::string loader_error() {
    const char* text = ::dlerror();
    return text ? text : "the loader says nothing";
  }

  static const CudaLibrary& get() {
    static const CudaLibrary library;
    return library;
  }

  /// LibTorch asks once whether CUDA is there, and keeps the answer.
  bool came_too_late() const { return error.empty() && !at::detail::getCUDAHooks().isBuilt(); }
};

inline int cuda_devices() {
  const CudaLibrary& library = CudaLibrary::get();
  if (!library.error.empty() || library.came_too_late()) return 0;
  return at::detail::getCUDAHooks().deviceCount();
}

/// Throws unless there is a device of CUDA.
inline void check_cuda(const std::string& device) {
  const CudaLibrary& library = CudaLibrary::get();
  if (!library.error.empty()) {
    raise(
        "expected LibTorch's CUDA library for device {}, it cannot be loaded: {}; hint: device "
        "cpu, or install torch with its NVIDIA packages (pip install torch)",
        device, library.error);
  }
  if (library.came_too_late()) {
    raise(
        "device {} was asked for after LibTorch had begun to work without CUDA; hint: call "
        "posttrain::use_cuda() in the first line of main",
        device);
  }
  if (cuda_devices() > 0) return;
  const cuda::Driver& driver = cuda::Driver::get();
  if (!driver.error.empty()) {
    raise(
        "expected an NVIDIA driver for device {}, it cannot be loaded: {}; hint: device cpu, or "
        "install the driver (nvidia-smi shows whether it works)",
        device, driver.error);
  }
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  raise(
      "expected a GPU for device {}, the NVIDIA driver shows none{}{}; hint: device cpu; "
      "nvidia-smi lists GPUs",
      device, visible ? " with CUDA_VISIBLE_DEVICES=" : "", visible ? visible : "");
}

/// The index of a process that a launcher started, 0 without one.
inline int local_rank() {
  const char* given = std::getenv("LOCAL_RANK");
  if (!given || *given == '\0') return 0;
  const std::string_view text(given);
  int rank = -1;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), rank);
  if (failed != std::errc() || end != text.data() + text.size() || rank < 0) {
    raise(
        "expected a number in LOCAL_RANK, got \"{}\"; hint: unset it, or name a device with its "
        "index (cuda:0)",
        text);
  }
  return rank;
}

/// A CUDA device with its index, after all checks.
inline c10::Device checked_cuda(c10::Device device) {
  check_cuda(device.str());
  const bool by_rank = !device.has_index();
  const int index = by_rank ? local_rank() : device.index(), count = cuda_devices();
  if (index >= count) {
    raise(
        "expected a GPU below cuda:{}, got cuda:{}{}; hint: CUDA_VISIBLE_DEVICES limits what a "
        "program sees",
        count, index, by_rank ? fmt::format(" from LOCAL_RANK={}", index) : "");
  }
  if (const cuda::Driver& driver = cuda::Driver::get(); driver.error.empty()) {
    const int capability = driver.capability(index);
    if (capability > 0 && capability < kLeastCapability) {
      raise(
          "expected a GPU of compute capability 8.0 (Ampere, 2020) or newer, cuda:{} has {}.{}; "
          "hint: another GPU, or device cpu",
          index, capability / 10, capability % 10);
    }
  }
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

#endif

/// The device of a name.
inline c10::Device device_named(const std::string& name) {
  const std::string_view text(name);
  if (text == "cpu") return c10::kCPU;
  if (text == "cuda") return c10::kCUDA;
  constexpr std::string_view kCuda = "cuda:";
  int index = -1;
  if (text.starts_with(kCuda)) {
    const char *begin = text.data() + kCuda.size(), *end = text.data() + text.size();
    const auto [stop, failed] = std::from_chars(begin, end, index);
    if (failed != std::errc() || stop != end || index > 127) index = -1;
  }
  if (index < 0) raise("expected a device: cpu, cuda or cuda:N, got \"{}\"", name);
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

}  // namespace detail

POSTTRAIN_INLINE int gpu_count() { return detail::cuda_devices(); }

POSTTRAIN_INLINE bool use_cuda() { return detail::cuda_devices() > 0; }

POSTTRAIN_INLINE Device::Device(c10::Device device)
    : device_(device.is_cuda() ? detail::checked_cuda(device) : device) {}

POSTTRAIN_INLINE void set_gpu_numerics(bool deterministic, bool tf32) {
  at::globalContext().setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
  at::globalContext().setDeterministicFillUninitializedMemory(false);  // of use to a debugger alone
  at::globalContext().setFloat32MatmulPrecision(tf32 ? "high" : "highest");
}

POSTTRAIN_INLINE double peak_device_memory_gib(c10::Device device) {
  const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
  return static_cast<double>(stats.allocated_bytes[0].peak) / (1024.0 * 1024.0 * 1024.0);
}

POSTTRAIN_INLINE Device::Device(const std::string& name) : Device(detail::device_named(name)) {}

}  // namespace posttrain
