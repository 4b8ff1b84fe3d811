// SPDX-License-Identifier: Apache-2.0
// Device code in headers: a macro that makes a string of it, which NVRTC compiles on the machine
// that runs it. So no compiler for CUDA is needed to build a program.
//
//   POSTTRAIN_DEVICE_CODE(
//       kDoublingCode,
//       PT_KERNEL void doubling(const Element* x, Element* y, long long size) {
//         const long long i = (PT_BLOCK * PT_THREADS + PT_THREAD) * V;
//         if (i >= size) return;
//         Floats values = load(x, i);
//         for (int k = 0; k < V; ++k) values.at[k] *= 2.0F;
//         store(y, i, values);
//       })
//
// The code is compiled for each type of element (float, bf16) and each V, the number of elements
// that a thread reads at once (16 bytes where rows allow it, else 1). Between the brackets there
// are no preprocessor lines. The names of PT_… are macros of `kDevicePrelude`; the tests give them
// a meaning on the host and run the same tokens there (tests/stand_in/emulation.hpp). Sums have a
// fixed order: no atomics.
#pragma once

#ifndef POSTTRAIN_DEVICE_CODE
#define POSTTRAIN_DEVICE_CODE(name, ...) inline constexpr char name[] = #__VA_ARGS__;
#endif

namespace posttrain::cuda {

/// What stands before every program, after the lines for Element and V.
inline constexpr char kDevicePrelude[] = R"(
#define PT_KERNEL extern "C" __global__
#define PT_FN static __device__ __forceinline__
#define PT_SHARED __shared__
#define PT_SYNC() __syncthreads()
#define PT_THREAD ((int)threadIdx.x)
#define PT_THREADS ((int)blockDim.x)
#define PT_BLOCK ((long long)blockIdx.x)
PT_FN float float_of_bits(unsigned bits) { return __uint_as_float(bits); }
PT_FN unsigned short bf16_bits(float value) {
  unsigned short bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
template <class Number>
PT_FN Number warp_sum(Number value) {
  for (int lanes = 16; lanes > 0; lanes /= 2) value += __shfl_xor_sync(0xffffffffu, value, lanes);
  return value;
}
PT_FN float warp_max(float value) {
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    const float other = __shfl_xor_sync(0xffffffffu, value, lanes);
    value = value < other ? other : value;
  }
  return value;
}
PT_FN unsigned high_product(unsigned a, unsigned b) { return __umulhi(a, b); }
)";

// Elements as floats, one or V at a time; sums and maxima over a block of at most 1024 threads, a
// multiple of 32. V is 1, or 16 bytes of elements.
// clang-format off
POSTTRAIN_DEVICE_CODE(
    kCommonCode,
    struct alignas(V == 1 ? alignof(Element) : 16) Pack { Element at[V]; };
    struct alignas(V == 1 ? 4 : 16) Floats { float at[V]; };

    PT_FN float to_float(float value) { return value; }
    PT_FN float to_float(bf16 value) {
      return float_of_bits(static_cast<unsigned>(value.bits) << 16);
    }
    PT_FN void set(float& to, float value) { to = value; }
    PT_FN void set(bf16& to, float value) { to.bits = bf16_bits(value); }

    PT_FN float rounded(float value) {
      Element element;
      set(element, value);
      return to_float(element);
    }

    PT_FN Floats load(const Element* from, long long i) {
      const Pack pack = *reinterpret_cast<const Pack*>(from + i);
      Floats values;
      for (int k = 0; k < V; ++k) values.at[k] = to_float(pack.at[k]);
      return values;
    }
    PT_FN void store(Element* to, long long i, const Floats& values) {
      Pack pack;
      for (int k = 0; k < V; ++k) set(pack.at[k], values.at[k]);
      *reinterpret_cast<Pack*>(to + i) = pack;
    }
    PT_FN Floats load_floats(const float* from, long long i) {
      return *reinterpret_cast<const Floats*>(from + i);
    }
    PT_FN void store_floats(float* to, long long i, const Floats& values) {
      *reinterpret_cast<Floats*>(to + i) = values;
    }

    // a where one of them is NaN.
    PT_FN float larger(float a, float b) { return a < b ? b : a; }

    // The entry of an ascending map of 256 that is nearest to x; of two the lower one.
    PT_FN int nearest_entry(float x, const float* map) {
      int low = 0;
      int high = 255;
      while (low < high) {
        const int middle = (low + high) / 2;
        if (x > (map[middle] + map[middle + 1]) / 2.0F) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      return low;
    }

    // The sum over all threads of a block, for each of them.
    template <class Number>
    PT_FN Number block_sum(Number value) {
      PT_SHARED Number partial[32];
      value = warp_sum(value);
      PT_SYNC();  // who still reads an earlier sum
      if (PT_THREAD % 32 == 0) partial[PT_THREAD / 32] = value;
      PT_SYNC();
      Number total = partial[0];
      for (int warp = 1; warp < PT_THREADS / 32; ++warp) total += partial[warp];
      return total;
    }

    PT_FN float block_max(float value) {
      PT_SHARED float partial[32];
      value = warp_max(value);
      PT_SYNC();
      if (PT_THREAD % 32 == 0) partial[PT_THREAD / 32] = value;
      PT_SYNC();
      float largest = partial[0];
      for (int warp = 1; warp < PT_THREADS / 32; ++warp) largest = larger(largest, partial[warp]);
      return largest;
    })
// clang-format on

}  // namespace posttrain::cuda
