// SPDX-License-Identifier: Apache-2.0
// Activations and gated activations on CUDA (nn/gated_activation.hpp has the formulas).
#pragma once

#ifndef POSTTRAIN_NO_CUDA

#include "posttrain/nn/activation.hpp"
#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::cuda {

// clang-format off
POSTTRAIN_DEVICE_CODE(
    kActivationCode,
    struct Activated { float value; float slope; };

    // `kind` as in ActivationKind: SiLU, GELU, its approximation by tanh.
    PT_FN Activated activated(float x, int kind) {
      Activated result;
      if (kind == 0) {
        const float s = 1.0F / (1.0F + expf(-x));
        result.value = x * s;
        result.slope = s * (1.0F + x * (1.0F - s));
      } else if (kind == 1) {
        const float cdf = 0.5F * (1.0F + erff(x * 0.70710678118654752F));
        result.value = x * cdf;
        result.slope = cdf + x * 0.39894228040143268F * expf(-0.5F * x * x);
      } else {
        const float factor = 0.79788456080286536F;
        const float cubic = 0.044715F;
        const float t = tanhf(factor * (x + cubic * x * x * x));
        const float inner = factor * (1.0F + 3.0F * cubic * x * x);
        result.value = 0.5F * x * (1.0F + t);
        result.slope = 0.5F * (1.0F + t) + 0.5F * x * (1.0F - t * t) * inner;
      }
      return result;
    }

    // y = act(x), or act(x) · up with `up`; rows of x and up begin every x_stride elements.
    PT_KERNEL void activation_forward(const Element* x, const Element* up, Element* y,
                                      long long width, long long x_stride, long long tiles,
                                      int kind) {
      const long long row = PT_BLOCK / tiles;
      const long long i = (PT_BLOCK % tiles * PT_THREADS + PT_THREAD) * V;
      if (i >= width) return;
      Floats values = load(x + row * x_stride, i);
      for (int k = 0; k < V; ++k) values.at[k] = activated(values.at[k], kind).value;
      if (up != nullptr) {
        const Floats factors = load(up + row * x_stride, i);
        for (int k = 0; k < V; ++k) values.at[k] = rounded(values.at[k]) * factors.at[k];
      }
      store(y + row * width, i, values);
    }

    // dx and, with `up`, dup begin a row every dx_stride elements.
    PT_KERNEL void activation_backward(const Element* x, const Element* up, const Element* dy,
                                       Element* dx, Element* dup, long long width,
                                       long long x_stride, long long dx_stride, long long tiles,
                                       int kind) {
      const long long row = PT_BLOCK / tiles;
      const long long i = (PT_BLOCK % tiles * PT_THREADS + PT_THREAD) * V;
      if (i >= width) return;
      const Floats values = load(x + row * x_stride, i);
      const Floats grad = load(dy + row * width, i);
      Floats result;
      if (up == nullptr) {
        for (int k = 0; k < V; ++k) {
          result.at[k] = grad.at[k] * activated(values.at[k], kind).slope;
        }
      } else {
        const Floats factors = load(up + row * x_stride, i);
        Floats of_up;
        for (int k = 0; k < V; ++k) {
          const Activated act = activated(values.at[k], kind);
          of_up.at[k] = grad.at[k] * rounded(act.value);
          result.at[k] = grad.at[k] * factors.at[k] * act.slope;
        }
        store(dup + row * dx_stride, i, of_up);
      }
      store(dx + row * dx_stride, i, result);
    })
// clang-format on

inline constexpr DeviceProgram kActivation{"activation", kActivationCode};
inline constexpr Kernel<Data, Data, Data, std::int64_t, std::int64_t, std::int64_t, int>
    activation_forward_kernel{&kActivation, "activation_forward"};
inline constexpr Kernel<Data, Data, Data, Data, Data, std::int64_t, std::int64_t, std::int64_t,
                        std::int64_t, int>
    activation_backward_kernel{&kActivation, "activation_backward"};

/// Rows of a contiguous x, or of [T, 2F] with its gates before their factors.
struct ActivationCall {
  Tensor x, up;  // up undefined: no gate
  std::int64_t width, stride, rows;
  Variant variant;
  int threads;
  std::int64_t tiles;

  ActivationCall(const Tensor& input, bool gated, std::initializer_list<const Tensor*> others)
      : x(gated ? input.narrow(1, 0, input.size(1) / 2) : input),
        up(gated ? input.narrow(1, input.size(1) / 2, input.size(1) / 2) : Tensor()),
        width(x.size(-1)),
        stride(gated ? input.stride(0) : width),
        rows(x.numel() / width),
        variant(variant_of(x, {width, stride}, others)),
        threads(variant.threads(width)),
        tiles(variant.blocks(width, threads)) {}

  Grid grid() const { return {rows * tiles, threads}; }
};

inline Tensor activation_forward(const Tensor& input, ActivationKind kind, bool gated) {
  const ActivationCall call(input, gated, {});
  const Tensor y = at::empty(call.x.sizes(), input.options());
  activation_forward_kernel(call.variant, call.grid(), call.x, call.up, y, call.width, call.stride,
                            call.tiles, static_cast<int>(kind));
  return y;
}

/// The gradient of the input, contiguous.
inline Tensor activation_backward(const Tensor& dy, const Tensor& input, ActivationKind kind,
                                  bool gated) {
  const Tensor grad = dy.contiguous(), dx = at::empty(input.sizes(), input.options());
  const ActivationCall call(input, gated, {&grad});
  const Tensor dup = gated ? dx.narrow(1, call.width, call.width) : Tensor();
  activation_backward_kernel(call.variant, call.grid(), call.x, call.up, grad, dx, dup, call.width,
                             call.stride, gated ? 2 * call.width : call.width, call.tiles,
                             static_cast<int>(kind));
  return dx;
}

}  // namespace posttrain::cuda

#endif
