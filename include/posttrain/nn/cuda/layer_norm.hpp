// SPDX-License-Identifier: Apache-2.0
// LayerNorm on CUDA (nn/layer_norm.hpp has the formulas): a block for each row; the gradients of
// weight and bias by chunks of rows, whose sums are added in order.
#pragma once

#ifndef POSTTRAIN_NO_CUDA

#include "posttrain/nn/cpu/rows.hpp"
#include "posttrain/nn/cuda/row_chunks.hpp"
#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::cuda {

// clang-format off
POSTTRAIN_DEVICE_CODE(
    kLayerNormCode,
    PT_KERNEL void layer_norm_forward(const Element* x, const float* weight, const float* bias,
                                      Element* y, float* mean, float* inverse, long long width,
                                      long long inner, long long outer_stride,
                                      long long inner_stride, float eps) {
      const long long row = PT_BLOCK;
      const Element* from = x + row / inner * outer_stride + row % inner * inner_stride;
      float total = 0.0F;
      for (long long i = PT_THREAD * V; i < width; i += PT_THREADS * V) {
        const Floats values = load(from, i);
        for (int k = 0; k < V; ++k) total += values.at[k];
      }
      const float center = block_sum(total) / static_cast<float>(width);
      float squares = 0.0F;
      for (long long i = PT_THREAD * V; i < width; i += PT_THREADS * V) {
        const Floats values = load(from, i);
        for (int k = 0; k < V; ++k) {
          squares += (values.at[k] - center) * (values.at[k] - center);
        }
      }
      const float r = 1.0F / sqrtf(block_sum(squares) / static_cast<float>(width) + eps);
      if (PT_THREAD == 0) {
        mean[row] = center;
        inverse[row] = r;
      }
      for (long long i = PT_THREAD * V; i < width; i += PT_THREADS * V) {
        Floats values = load(from, i);
        const Floats w = load_floats(weight, i);
        const Floats b = load_floats(bias, i);
        for (int k = 0; k < V; ++k) {
          values.at[k] = (values.at[k] - center) * r * w.at[k] + b.at[k];
        }
        store(y + row * width, i, values);
      }
    }

    PT_KERNEL void layer_norm_backward(const Element* x, const Element* dy, const float* weight,
                                       const float* mean, const float* inverse, Element* dx,
                                       long long width, long long inner, long long outer_stride,
                                       long long inner_stride) {
      const long long row = PT_BLOCK;
      const Element* from = x + row / inner * outer_stride + row % inner * inner_stride;
      const Element* grad = dy + row * width;
      const float r = inverse[row];
      const float center = mean[row];
      float total = 0.0F;
      float dot = 0.0F;
      for (long long i = PT_THREAD * V; i < width; i += PT_THREADS * V) {
        const Floats values = load(from, i);
        const Floats g = load(grad, i);
        const Floats w = load_floats(weight, i);
        for (int k = 0; k < V; ++k) {
          total += g.at[k] * w.at[k];
          dot += g.at[k] * w.at[k] * (values.at[k] - center);
        }
      }
      const float mean_g = block_sum(total) / static_cast<float>(width);
      const float mean_gx = block_sum(dot) * r / static_cast<float>(width);
      for (long long i = PT_THREAD * V; i < width; i += PT_THREADS * V) {
        const Floats values = load(from, i);
        const Floats w = load_floats(weight, i);
        Floats g = load(grad, i);
        for (int k = 0; k < V; ++k) {
          const float normed = (values.at[k] - center) * r;
          g.at[k] = r * (g.at[k] * w.at[k] - mean_g - normed * mean_gx);
        }
        store(dx + row * width, i, g);
      }
    }

    // partial [2, chunks, width]: the sums over the rows of a chunk, of the weight and of the bias.
    PT_KERNEL void layer_norm_vectors(const Element* x, const Element* dy, const float* mean,
                                      const float* inverse, float* partial, long long rows,
                                      long long width, long long inner, long long outer_stride,
                                      long long inner_stride, long long chunks, long long tiles) {
      const long long chunk = PT_BLOCK / tiles;
      const long long i = (PT_BLOCK % tiles * PT_THREADS + PT_THREAD) * V;
      if (i >= width) return;
      Floats dw;
      Floats db;
      for (int k = 0; k < V; ++k) dw.at[k] = db.at[k] = 0.0F;
      for (long long row = rows * chunk / chunks; row < rows * (chunk + 1) / chunks; ++row) {
        const Floats values = load(x + row / inner * outer_stride + row % inner * inner_stride, i);
        const Floats g = load(dy + row * width, i);
        for (int k = 0; k < V; ++k) {
          dw.at[k] += g.at[k] * ((values.at[k] - mean[row]) * inverse[row]);
          db.at[k] += g.at[k];
        }
      }
      store_floats(partial + chunk * width, i, dw);
      store_floats(partial + (chunks + chunk) * width, i, db);
    })
// clang-format on

inline constexpr DeviceProgram kLayerNorm{"layer_norm", kLayerNormCode};
inline constexpr Kernel<Data, Data, Data, Data, Data, Data, std::int64_t, std::int64_t,
                        std::int64_t, std::int64_t, float>
    layer_norm_forward_kernel{&kLayerNorm, "layer_norm_forward"};
inline constexpr Kernel<Data, Data, Data, Data, Data, Data, std::int64_t, std::int64_t,
                        std::int64_t, std::int64_t>
    layer_norm_backward_kernel{&kLayerNorm, "layer_norm_backward"};
inline constexpr Kernel<Data, Data, Data, Data, Data, std::int64_t, std::int64_t, std::int64_t,
                        std::int64_t, std::int64_t, std::int64_t, std::int64_t>
    layer_norm_vectors_kernel{&kLayerNorm, "layer_norm_vectors"};

/// y; mean and inverse become [rows] fp32. Weight and bias in fp32.
inline Tensor layer_norm_forward(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                 double eps, Tensor& mean, Tensor& inverse) {
  const auto rows = posttrain::detail::row_layout(x);
  const std::int64_t width = x.size(-1);
  const Tensor y = at::empty(x.sizes(), x.options());
  mean = at::empty({rows.count}, x.options().dtype(at::kFloat));
  inverse = at::empty_like(mean);
  const Variant variant =
      variant_of(x, {width, rows.outer_stride, rows.inner_stride}, {&weight, &bias});
  layer_norm_forward_kernel(variant, {rows.count, variant.threads(width)}, x, weight, bias, y, mean,
                            inverse, width, rows.inner, rows.outer_stride, rows.inner_stride,
                            static_cast<float>(eps));
  return y;
}

/// {dx, dw, db}, the latter two in fp32.
inline Tensors layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                   const Tensor& mean, const Tensor& inverse) {
  const auto rows = posttrain::detail::row_layout(x);
  const std::int64_t width = x.size(-1);
  const Tensor grad = dy.contiguous(), dx = at::empty(x.sizes(), x.options());
  const Variant variant =
      variant_of(x, {width, rows.outer_stride, rows.inner_stride}, {&weight, &grad});
  layer_norm_backward_kernel(variant, {rows.count, variant.threads(width)}, x, grad, weight, mean,
                             inverse, dx, width, rows.inner, rows.outer_stride, rows.inner_stride);
  const RowChunks chunks(variant, rows.count, width);
  const Tensor partial = at::empty({2, chunks.count, width}, mean.options());
  layer_norm_vectors_kernel(variant, chunks.grid(), x, grad, mean, inverse, partial, rows.count,
                            width, rows.inner, rows.outer_stride, rows.inner_stride, chunks.count,
                            chunks.tiles);
  const Tensor sums = partial.sum(1);
  return {dx, sums.select(0, 0), sums.select(0, 1)};
}

}  // namespace posttrain::cuda

#endif
