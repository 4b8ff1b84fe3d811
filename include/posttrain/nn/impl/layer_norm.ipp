// SPDX-License-Identifier: Apache-2.0
// Definitions of layer_norm.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cmath>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/nn/cpu/rows.hpp"
#include "posttrain/nn/cpu/simd.hpp"
#include "posttrain/nn/cuda/layer_norm.hpp"
#include "posttrain/nn/layer_norm.hpp"
#include "posttrain/tensor/cuda/dispatch.hpp"
#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

namespace detail {

template <class Element>
struct LayerNormRows {
  RowLayout rows;
  std::int64_t width;
  const Element* x;
  const float* weight;
  const float* bias;
  float eps;
  float* mean;     // per row
  float* inverse;  // per row, 1 / sqrt(var + eps)
  Element* y;
  const Element* dy;
  Element* dx;
};

template <class Element>
POSTTRAIN_ALWAYS_INLINE void layer_norm_forward_body(const LayerNormRows<Element>& a,
                                                     std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const Element* x = a.x + a.rows.offset(row);
    Element* y = a.y + row * a.width;
    float total = 0, squares = 0;
#pragma omp simd reduction(+ : total)
    for (std::int64_t i = 0; i < a.width; ++i) total += simd::load(x, i);
    const float mean = total / static_cast<float>(a.width);
#pragma omp simd reduction(+ : squares)
    for (std::int64_t i = 0; i < a.width; ++i) {
      const float centred = simd::load(x, i) - mean;
      squares += centred * centred;
    }
    const float r = 1.0F / std::sqrt(squares / static_cast<float>(a.width) + a.eps);
    a.mean[row] = mean;
    a.inverse[row] = r;
#pragma omp simd
    for (std::int64_t i = 0; i < a.width; ++i) {
      simd::store(y, i, (simd::load(x, i) - mean) * r * a.weight[i] + a.bias[i]);
    }
  }
}
POSTTRAIN_SIMD void layer_norm_forward_rows(const LayerNormRows<float>& a, std::int64_t begin,
                                            std::int64_t end) {
  layer_norm_forward_body(a, begin, end);
}
POSTTRAIN_SIMD void layer_norm_forward_rows(const LayerNormRows<c10::BFloat16>& a,
                                            std::int64_t begin, std::int64_t end) {
  layer_norm_forward_body(a, begin, end);
}

// dw and db: this chunk's partial sums.
template <class Element>
POSTTRAIN_ALWAYS_INLINE void layer_norm_backward_body(const LayerNormRows<Element>& a, float* dw,
                                                      float* db, std::int64_t begin,
                                                      std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const Element* x = a.x + a.rows.offset(row);
    const Element* dy = a.dy + row * a.width;
    Element* dx = a.dx + row * a.width;
    const float r = a.inverse[row], mean = a.mean[row];
    float total = 0, dot = 0;
#pragma omp simd reduction(+ : total, dot)
    for (std::int64_t i = 0; i < a.width; ++i) {
      const float g = simd::load(dy, i) * a.weight[i];
      total += g;
      dot += g * (simd::load(x, i) - mean);
    }
    const float mean_g = total / static_cast<float>(a.width);
    const float mean_gx = dot * r / static_cast<float>(a.width);
#pragma omp simd
    for (std::int64_t i = 0; i < a.width; ++i) {
      const float grad = simd::load(dy, i);
      const float normed = (simd::load(x, i) - mean) * r;
      simd::store(dx, i, r * (grad * a.weight[i] - mean_g - normed * mean_gx));
      dw[i] += grad * normed;
      db[i] += grad;
    }
  }
}
POSTTRAIN_SIMD void layer_norm_backward_rows(const LayerNormRows<float>& a, float* dw, float* db,
                                             std::int64_t begin, std::int64_t end) {
  layer_norm_backward_body(a, dw, db, begin, end);
}
POSTTRAIN_SIMD void layer_norm_backward_rows(const LayerNormRows<c10::BFloat16>& a, float* dw,
                                             float* db, std::int64_t begin, std::int64_t end) {
  layer_norm_backward_body(a, dw, db, begin, end);
}

struct LayerNormSaved {
  Tensor x, weight, bias;  // weight and bias in the compute dtype, ones and zeros where undefined
  Tensor mean, inverse;    // per row
};

inline Tensor layer_norm_forward(LayerNormSaved& saved, double eps) {
  const Tensor& x = saved.x;
  POSTTRAIN_RETURN_ON_CUDA(
      cuda::has_cuda_kernel(x),
      cuda::layer_norm_forward(x, saved.weight, saved.bias, eps, saved.mean, saved.inverse));
  if (!has_cpu_kernel(x)) {
    const Tensor wide = x.to(compute_type(x));
    saved.mean = wide.mean(-1, true);
    const Tensor centred = wide - saved.mean;
    saved.inverse = (centred.pow(2).mean(-1, true) + eps).rsqrt();
    return (centred * saved.inverse * saved.weight + saved.bias).to(x.scalar_type());
  }
  const RowLayout rows = row_layout(x);
  Tensor y = at::empty(x.sizes(), x.options());
  saved.mean = at::empty({rows.count}, x.options().dtype(at::kFloat));
  saved.inverse = at::empty_like(saved.mean);
  with_element_type(x, [&](auto element) {
    using Element = decltype(element);
    const LayerNormRows<Element> arguments{rows,
                                           x.size(-1),
                                           x.const_data_ptr<Element>(),
                                           saved.weight.const_data_ptr<float>(),
                                           saved.bias.const_data_ptr<float>(),
                                           static_cast<float>(eps),
                                           saved.mean.mutable_data_ptr<float>(),
                                           saved.inverse.mutable_data_ptr<float>(),
                                           y.mutable_data_ptr<Element>(),
                                           nullptr,
                                           nullptr};
    at::parallel_for(0, rows.count, 1 + 16384 / x.size(-1),
                     [&](std::int64_t begin, std::int64_t end) {
                       layer_norm_forward_rows(arguments, begin, end);
                     });
  });
  return y;
}

// (dx, dw, db), the latter two in the compute dtype.
inline Tensors layer_norm_backward(const Tensor& dy, const LayerNormSaved& saved) {
  const Tensor& x = saved.x;
  POSTTRAIN_RETURN_ON_CUDA(
      cuda::has_cuda_kernel(x),
      cuda::layer_norm_backward(dy, x, saved.weight, saved.mean, saved.inverse));
  const std::int64_t width = x.size(-1);
  if (!has_cpu_kernel(x)) {
    const Tensor normed = (x.to(compute_type(x)) - saved.mean) * saved.inverse;
    const Tensor wide = dy.to(compute_type(x));
    const Tensor g = wide * saved.weight;
    const Tensor dx = saved.inverse * (g - g.mean(-1, true) - normed * (g * normed).mean(-1, true));
    return {dx.to(x.scalar_type()), (wide * normed).reshape({-1, width}).sum(0),
            wide.reshape({-1, width}).sum(0)};
  }
  const RowLayout rows = row_layout(x);
  const std::int64_t chunks = row_chunks(rows.count);
  const Tensor grad = dy.contiguous();
  Tensor dx = at::empty(x.sizes(), x.options());
  Tensor partial = at::zeros({2, chunks, width}, x.options().dtype(at::kFloat));
  with_element_type(x, [&](auto element) {
    using Element = decltype(element);
    const LayerNormRows<Element> arguments{rows,
                                           width,
                                           x.const_data_ptr<Element>(),
                                           saved.weight.const_data_ptr<float>(),
                                           nullptr,
                                           0,
                                           saved.mean.mutable_data_ptr<float>(),
                                           saved.inverse.mutable_data_ptr<float>(),
                                           nullptr,
                                           grad.const_data_ptr<Element>(),
                                           dx.mutable_data_ptr<Element>()};
    float* dw = partial.mutable_data_ptr<float>();
    at::parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t chunk = begin; chunk < end; ++chunk) {
        layer_norm_backward_rows(arguments, dw + chunk * width, dw + (chunks + chunk) * width,
                                 rows.count * chunk / chunks, rows.count * (chunk + 1) / chunks);
      }
    });
  });
  const Tensor sums = partial.sum(1);
  return {dx, sums.select(0, 0), sums.select(0, 1)};
}

}  // namespace detail

POSTTRAIN_INLINE Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                   double eps) {
  for (const Tensor& vector : {weight, bias}) {
    if (vector.defined() && (vector.dim() != 1 || vector.size(0) != x.size(-1))) {
      raise("layer_norm expected x [..., d] and vectors [d], got {} and {}", shape_text(x),
            shape_text(vector));
    }
  }
  detail::LayerNormSaved saved;
  Tensor y;
  {
    at::NoGradGuard no_grad;
    saved.x = detail::with_row_layout(x.detach());
    const auto compute = x.options().dtype(detail::compute_type(x));
    saved.weight = weight.defined() ? weight.detach().to(compute.dtype()).contiguous()
                                    : at::ones({x.size(-1)}, compute);
    saved.bias = bias.defined() ? bias.detach().to(compute.dtype()).contiguous()
                                : at::zeros({x.size(-1)}, compute);
    y = detail::layer_norm_forward(saved, eps);
  }
  const auto type_of = [](const Tensor& t) { return t.defined() ? t.scalar_type() : at::kFloat; };
  return differentiable(
      y, {x, weight, bias},
      [saved, weight_type = type_of(weight), bias_type = type_of(bias),
       has_weight = weight.defined(), has_bias = bias.defined()](const Tensor& dy) {
        Tensors grads = detail::layer_norm_backward(dy, saved);
        return Tensors{grads[0], has_weight ? grads[1].to(weight_type) : Tensor(),
                       has_bias ? grads[2].to(bias_type) : Tensor()};
      });
}

}  // namespace posttrain
