// SPDX-License-Identifier: Apache-2.0
// All kernels of the library for the stand-in driver: by name and form, with the parameters that
// the library passes checked against those of the device code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "posttrain/tensor/cuda/kernel.hpp"
#include "support/device_programs.hpp"

namespace posttrain::stand_in {

/// Turns an address of the device into that of its bytes.
using ToHost = void* (*)(const void*);

/// Binds parameters, as the driver's launch gets them, to a kernel.
using Binder = std::function<void()> (*)(void** parameters, ToHost to_host);

template <class Parameter>
Parameter parameter(void* address, ToHost to_host) {
  if constexpr (std::is_pointer_v<Parameter>) {
    return static_cast<Parameter>(to_host(*static_cast<void**>(address)));
  } else {
    return *static_cast<Parameter*>(address);
  }
}

/// Whether what the library passes is what the kernel takes.
template <class Passed, class Taken>
inline constexpr bool fits = std::is_same_v<Passed, cuda::Data>
                                 ? std::is_pointer_v<Taken>
                                 : (std::is_same_v<Passed, std::int64_t>
                                        ? std::is_same_v<Taken, long long>
                                        : std::is_same_v<Passed, Taken>);

template <auto& kernel, auto function>
struct Bound;
template <class... Passed, const cuda::Kernel<Passed...>& kernel, class... Taken,
          void (*function)(Taken...)>
struct Bound<kernel, function> {
  static_assert(sizeof...(Passed) == sizeof...(Taken));
  static_assert((fits<Passed, Taken> && ...));

  static std::function<void()> bind(void** parameters, ToHost to_host) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return [values = std::tuple<Taken...>{parameter<Taken>(parameters[I], to_host)...}] {
        std::apply(function, values);
      };
    }
    (std::index_sequence_for<Taken...>{});
  }
};

/// "rms_norm_forward bf16 8" → its binder.
inline const std::unordered_map<std::string, Binder>& kernels() {
  namespace e = cuda::emulated;
#define POSTTRAIN_FORM(kernel, form, text)                    \
  {                                                           \
    std::string(cuda::kernel##_kernel.name) + text,           \
        &Bound<cuda::kernel##_kernel, &e::form::kernel>::bind \
  }
#define POSTTRAIN_KERNEL(kernel)                                                            \
  POSTTRAIN_FORM(kernel, float_1, " float 1"), POSTTRAIN_FORM(kernel, float_4, " float 4"), \
      POSTTRAIN_FORM(kernel, bf16_1, " bf16 1"), POSTTRAIN_FORM(kernel, bf16_8, " bf16 8")
  static const std::unordered_map<std::string, Binder> all{
      POSTTRAIN_KERNEL(activation_forward),
      POSTTRAIN_KERNEL(activation_backward),
      POSTTRAIN_KERNEL(adamw_8bit),
      POSTTRAIN_KERNEL(clamp),
      POSTTRAIN_KERNEL(piece_squares),
      POSTTRAIN_KERNEL(root_of_sum),
      POSTTRAIN_KERNEL(clip_numbers),
      POSTTRAIN_KERNEL(draw_rows),
      POSTTRAIN_KERNEL(embedding_gradient),
      POSTTRAIN_KERNEL(quantize_int8),
      POSTTRAIN_KERNEL(dequantize_int8),
      POSTTRAIN_KERNEL(layer_norm_forward),
      POSTTRAIN_KERNEL(layer_norm_backward),
      POSTTRAIN_KERNEL(layer_norm_vectors),
      POSTTRAIN_KERNEL(merge_attention),
      POSTTRAIN_KERNEL(quantize_nf4),
      POSTTRAIN_KERNEL(dequantize_nf4),
      POSTTRAIN_KERNEL(keyed_dropout),
      POSTTRAIN_KERNEL(uniform_noise),
      POSTTRAIN_KERNEL(rms_norm_forward),
      POSTTRAIN_KERNEL(rms_norm_backward),
      POSTTRAIN_KERNEL(rms_norm_weight),
      POSTTRAIN_KERNEL(rotary),
      POSTTRAIN_KERNEL(row_stats),
      POSTTRAIN_KERNEL(row_stats_backward),
  };
#undef POSTTRAIN_KERNEL
#undef POSTTRAIN_FORM
  return all;
}

}  // namespace posttrain::stand_in
