// SPDX-License-Identifier: Apache-2.0
// Where tensors live, as a value: "cpu", "cuda", "cuda:1", or an at::Device.
//
// A program is linked with LibTorch's CPU part alone; its CUDA part is loaded when a CUDA device is
// first named. So the same program runs with a GPU and without (-Dcuda=disabled leaves that out,
// -Dcuda=enabled links the CUDA part).
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace posttrain {

/// Loads LibTorch's CUDA part where there is one; whether there is a GPU to compute on. LibTorch
/// settles at its first tensor work whether CUDA is there, so call it in the first line of main,
/// unless a CUDA device is named before anything else is done. May be called again. A configuration
/// of CUDA's allocator that the user has not chosen (PYTORCH_ALLOC_CONF) becomes
/// expandable_segments:True.
bool use_cuda();

/// How many GPUs this process can compute on; calls use_cuda().
int gpu_count();

/// A device that is there: making one of CUDA loads it. Without an index it is that of LOCAL_RANK
/// (torchrun's name for a process's own), else 0. Throws one line where the device cannot be had:
/// no library, no driver, no GPU of that index, one below compute capability 8.0, LibTorch at work
/// already.
class Device {
 public:
  Device() = default;  // the CPU
  Device(c10::Device device);
  Device(c10::DeviceType type) : Device(c10::Device(type)) {}
  Device(const std::string& name);
  Device(const char* name) : Device(std::string(name)) {}

  operator c10::Device() const { return device_; }
  bool is_cpu() const { return device_.is_cpu(); }
  bool is_cuda() const { return device_.is_cuda(); }
  /// "cpu", "cuda:0".
  std::string text() const { return device_.str(); }

 private:
  c10::Device device_ = c10::kCPU;
};

/// How LibTorch computes on GPUs from now on. `deterministic`: by operations that give the same
/// bits in every run; one that has none is an error. `tf32`: float32 products with 10 bits of
/// mantissa.
void set_gpu_numerics(bool deterministic, bool tf32);

/// The most memory that tensors on a GPU took at once, in GiB.
double peak_device_memory_gib(c10::Device device);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/tensor/impl/device.ipp"
#endif
