// SPDX-License-Identifier: Apache-2.0
// A kernel as a function: compiled for its device at the first call, then kept for the process.
//
//   inline constexpr DeviceProgram kDoublingProgram{"doubling", kDoublingCode};
//   inline constexpr Kernel<Data, Data, std::int64_t> doubling{&kDoublingProgram, "doubling"};
//
//   const Variant variant = variant_of(x, {x.numel()});
//   doubling(variant, {.blocks = variant.blocks(x.numel(), 256), .threads = 256}, x, y, x.numel());
//
// A launch goes to LibTorch's current stream and waits for nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>

#include "posttrain/tensor/kernels.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain::cuda {

/// Device code with its name in messages; it may hold several kernels.
struct DeviceProgram {
  const char* name;
  const char* code;  // by POSTTRAIN_DEVICE_CODE
};

/// The text of a program for the compiler: for fp32 or bf16, with v elements at a time.
std::string source_of(const DeviceProgram& program, at::ScalarType element, int v);

/// Which form of a program runs: on which device, for which element, with how many at a time.
struct Variant {
  at::Device device;
  at::ScalarType element;  // fp32 or bf16
  int v;                   // 1, or 16 bytes of elements

  /// Blocks whose threads take v elements each.
  std::int64_t blocks(std::int64_t elements, int threads) const {
    const std::int64_t each = std::int64_t{threads} * v;
    return (elements + each - 1) / each;
  }
  /// Threads for a row, each with v elements or several times that: a multiple of 32.
  int threads(std::int64_t width, int most = 256) const;
};

/// The form for x. `strides`: numbers of elements by which its rows, and those of all tensors that
/// go along with it, begin and end; and `others` are those tensors.
Variant variant_of(const Tensor& x, std::initializer_list<std::int64_t> strides,
                   std::initializer_list<const Tensor*> others = {});

/// Whether kernels run on a device: on CUDA, with a compiler to be had (where there is none, that
/// is said once on standard error).
bool has_kernels(at::Device device);

/// Whether they take these elements: fp32 or bf16.
bool has_cuda_kernel(const Tensor& x);

/// The same where a kernel reads both as elements of one type.
inline bool has_cuda_kernel(const Tensor& x, const Tensor& like_x) {
  return x.scalar_type() == like_x.scalar_type() && has_cuda_kernel(x);
}

struct Grid {
  std::int64_t blocks;
  int threads;
};

/// The memory of a tensor as a kernel's parameter; null for an undefined one.
class Data {
 public:
  Data(const Tensor& tensor) : begin_(tensor.defined() ? tensor.const_data_ptr() : nullptr) {}
  Data(std::nullptr_t) {}
  const void* const& begin() const { return begin_; }

 private:
  const void* begin_ = nullptr;
};

void launch(const DeviceProgram& program, const char* kernel, const Variant& variant,
            const Grid& grid, void** parameters);

/// Parameters as the kernel's: Data for a pointer, std::int64_t (long long), int, float, double.
template <class... Parameters>
struct Kernel {
  const DeviceProgram* program;
  const char* name;

  /// An empty grid is no launch.
  void operator()(const Variant& variant, const Grid& grid,
                  const std::type_identity_t<Parameters>&... parameters) const {
    std::array<void*, sizeof...(Parameters)> addresses{address_of(parameters)...};
    if (grid.blocks > 0) launch(*program, name, variant, grid, addresses.data());
  }

 private:
  static void* address_of(const Data& data) { return const_cast<const void**>(&data.begin()); }
  template <class Number>
  requires std::is_arithmetic_v<Number>
  static void* address_of(const Number& number) { return const_cast<Number*>(&number); }
};

}  // namespace posttrain::cuda

#ifndef POSTTRAIN_COMPILED
#include "posttrain/tensor/cuda/impl/kernel.ipp"
#endif
