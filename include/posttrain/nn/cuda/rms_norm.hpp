// SPDX-License-Identifier: Apache-2.0
// RMSNorm on CUDA, with the addition before it (nn/rms_norm.hpp has the formulas): a block for each
// row; the weight's gradient by chunks of rows, whose sums are added in order.
#pragma once

#ifndef POSTTRAIN_NO_CUDA

#include <initializer_list>
#include <utility>

#include "posttrain/nn/cpu/rows.hpp"
#include "posttrain/nn/cuda/row_chunks.hpp"
#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::cuda {

// clang-format off
POSTTRAIN_DEVICE_CODE(
    kRmsNormCode,
    // The factor on a normalised x: w, or 1 + w.
    PT_FN float norm_factor(float weight, int plus_one) {
      return plus_one ? 1.0F + weight : weight;
    }

    PT_KERNEL void rms_norm_forward(const Element* x, const Element* residual,
                                    const Element* weight, Element* sum, Element* y,
                                    float* inverse, long long width, long long inner,
                                    long long outer_stride, long long inner_stride, float eps,
                                    int plus_one) {
      const long long row = PT_BLOCK;
      const Element* from = x + row / inner * outer_stride + row % inner * inner_stride;
      float squares = 0.0F;
      for (long long i = PT_THREAD * V; i < width; i += PT_THREADS * V) {
        Floats values = load(from, i);
        if (residual != nullptr) {
          const Floats more = load(residual + row * width, i);
          for (int k = 0; k < V; ++k) values.at[k] = rounded(values.at[k] + more.at[k]);
          store(sum + row * width, i, values);
        }
        for (int k = 0; k < V; ++k) squares += values.at[k] * values.at[k];
      }
      const float r = 1.0F / sqrtf(block_sum(squares) / static_cast<float>(width) + eps);
      if (PT_THREAD == 0) inverse[row] = r;
      // Each thread reads what it wrote itself.
      if (residual != nullptr) from = sum + row * width;
      for (long long i = PT_THREAD * V; i < width; i += PT_THREADS * V) {
        Floats values = load(from, i);
        const Floats w = load(weight, i);
        for (int k = 0; k < V; ++k) {
          const float normed = values.at[k] * r;
          values.at[k] = (plus_one ? normed : rounded(normed)) * norm_factor(w.at[k], plus_one);
        }
        store(y + row * width, i, values);
      }
    }

    PT_KERNEL void rms_norm_backward(const Element* x, const Element* dy, const Element* dsum,
                                     const Element* weight, const float* inverse, Element* dx,
                                     long long width, long long inner, long long outer_stride,
                                     long long inner_stride, int plus_one) {
      const long long row = PT_BLOCK;
      const Element* from = x + row / inner * outer_stride + row % inner * inner_stride;
      const Element* grad = dy + row * width;
      const float r = inverse[row];
      float dot = 0.0F;
      for (long long i = PT_THREAD * V; i < width; i += PT_THREADS * V) {
        const Floats values = load(from, i);
        const Floats g = load(grad, i);
        const Floats w = load(weight, i);
        for (int k = 0; k < V; ++k) {
          dot += g.at[k] * norm_factor(w.at[k], plus_one) * values.at[k];
        }
      }
      const float mean = block_sum(dot) * r / static_cast<float>(width);
      for (long long i = PT_THREAD * V; i < width; i += PT_THREADS * V) {
        const Floats values = load(from, i);
        const Floats w = load(weight, i);
        Floats g = load(grad, i);
        for (int k = 0; k < V; ++k) {
          g.at[k] = r * (g.at[k] * norm_factor(w.at[k], plus_one) - values.at[k] * r * mean);
        }
        if (dsum != nullptr) {
          const Floats more = load(dsum + row * width, i);
          for (int k = 0; k < V; ++k) g.at[k] = more.at[k] + g.at[k];
        }
        store(dx + row * width, i, g);
      }
    }

    // partial [chunks, width]: the sum over the rows of a chunk.
    PT_KERNEL void rms_norm_weight(const Element* x, const Element* dy, const float* inverse,
                                   float* partial, long long rows, long long width,
                                   long long inner, long long outer_stride,
                                   long long inner_stride, long long chunks, long long tiles,
                                   int plus_one) {
      const long long chunk = PT_BLOCK / tiles;
      const long long i = (PT_BLOCK % tiles * PT_THREADS + PT_THREAD) * V;
      if (i >= width) return;
      Floats total;
      for (int k = 0; k < V; ++k) total.at[k] = 0.0F;
      for (long long row = rows * chunk / chunks; row < rows * (chunk + 1) / chunks; ++row) {
        const Floats values = load(x + row / inner * outer_stride + row % inner * inner_stride, i);
        const Floats g = load(dy + row * width, i);
        const float r = inverse[row];
        for (int k = 0; k < V; ++k) {
          const float normed = values.at[k] * r;
          total.at[k] += g.at[k] * (plus_one ? normed : rounded(normed));
        }
      }
      store_floats(partial + chunk * width, i, total);
    })
// clang-format on

inline constexpr DeviceProgram kRmsNorm{"rms_norm", kRmsNormCode};
inline constexpr Kernel<Data, Data, Data, Data, Data, Data, std::int64_t, std::int64_t,
                        std::int64_t, std::int64_t, float, int>
    rms_norm_forward_kernel{&kRmsNorm, "rms_norm_forward"};
inline constexpr Kernel<Data, Data, Data, Data, Data, Data, std::int64_t, std::int64_t,
                        std::int64_t, std::int64_t, int>
    rms_norm_backward_kernel{&kRmsNorm, "rms_norm_backward"};
inline constexpr Kernel<Data, Data, Data, Data, std::int64_t, std::int64_t, std::int64_t,
                        std::int64_t, std::int64_t, std::int64_t, std::int64_t, int>
    rms_norm_weight_kernel{&kRmsNorm, "rms_norm_weight"};

/// A norm on its way: tensors of x's element type, the rows of x as `row_layout` knows them.
struct RmsNormCall {
  const Tensor& x;
  Tensor weight;
  posttrain::detail::RowLayout rows;
  std::int64_t width;
  bool plus_one;

  RmsNormCall(const Tensor& x, const Tensor& weight, bool plus_one)
      : x(x),
        weight(weight.contiguous()),
        rows(posttrain::detail::row_layout(x)),
        width(x.size(-1)),
        plus_one(plus_one) {}

  Variant variant(std::initializer_list<const Tensor*> others) const {
    return variant_of(x, {width, rows.outer_stride, rows.inner_stride}, others);
  }
  Grid grid(const Variant& variant) const { return {rows.count, variant.threads(width)}; }
};

/// Result{x + residual, y, 1 / rms of every row [rows]}; residual may be undefined.
template <class Result>
Result rms_norm_forward(const Tensor& x, const Tensor& residual, const Tensor& weight, double eps,
                        bool plus_one) {
  const RmsNormCall call(x, weight, plus_one);
  const Tensor y = at::empty(x.sizes(), x.options());
  const Tensor sum = residual.defined() ? at::empty(x.sizes(), x.options()) : Tensor();
  const Tensor inverse = at::empty({call.rows.count}, x.options().dtype(at::kFloat));
  const Variant variant = call.variant({&residual, &call.weight});
  rms_norm_forward_kernel(variant, call.grid(variant), x, residual, call.weight, sum, y, inverse,
                          call.width, call.rows.inner, call.rows.outer_stride,
                          call.rows.inner_stride, static_cast<float>(eps), plus_one);
  return {sum, y, inverse};
}

/// (dx, dw), dw undefined unless asked for; dsum may be undefined.
inline std::pair<Tensor, Tensor> rms_norm_backward(const Tensor& dy, const Tensor& dsum,
                                                   const Tensor& x, const Tensor& weight,
                                                   const Tensor& inverse, bool plus_one,
                                                   bool with_weight) {
  const RmsNormCall call(x, weight, plus_one);
  const Tensor grad = dy.contiguous(), sum_grad = dsum.defined() ? dsum.contiguous() : dsum;
  const Tensor dx = at::empty(x.sizes(), x.options());
  const Variant variant = call.variant({&grad, &sum_grad, &call.weight});
  rms_norm_backward_kernel(variant, call.grid(variant), x, grad, sum_grad, call.weight, inverse, dx,
                           call.width, call.rows.inner, call.rows.outer_stride,
                           call.rows.inner_stride, plus_one);
  if (!with_weight) return {dx, Tensor()};
  const RowChunks chunks(variant, call.rows.count, call.width);
  const Tensor partial = at::empty({chunks.count, call.width}, x.options().dtype(at::kFloat));
  rms_norm_weight_kernel(variant, chunks.grid(), x, grad, inverse, partial, call.rows.count,
                         call.width, call.rows.inner, call.rows.outer_stride,
                         call.rows.inner_stride, chunks.count, chunks.tiles, plus_one);
  return {dx, partial.sum(0).to(weight.scalar_type())};
}

}  // namespace posttrain::cuda

#endif
