// SPDX-License-Identifier: Apache-2.0
// Definitions of rms_norm.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cmath>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/nn/cpu/rows.hpp"
#include "posttrain/nn/cpu/simd.hpp"
#include "posttrain/nn/cuda/rms_norm.hpp"
#include "posttrain/nn/rms_norm.hpp"
#include "posttrain/tensor/cuda/dispatch.hpp"
#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

namespace detail {

template <class Element>
struct RmsNormForward {
  RowLayout rows;
  std::int64_t width;
  const Element* x;
  const Element* residual;  // contiguous, or null
  const float* factor;      // w or 1 + w
  float eps;
  bool round_first;
  Element* sum;    // x + residual, where residual is given
  Element* y;      // contiguous
  float* inverse;  // 1 / rms of every row
};

template <class Element>
POSTTRAIN_ALWAYS_INLINE void rms_norm_forward_body(const RmsNormForward<Element>& a,
                                                   std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const Element* x = a.x + a.rows.offset(row);
    Element* y = a.y + row * a.width;
    float squares = 0;
    if (a.residual != nullptr) {
      const Element* residual = a.residual + row * a.width;
      Element* sum = a.sum + row * a.width;
#pragma omp simd reduction(+ : squares)
      for (std::int64_t i = 0; i < a.width; ++i) {
        const float value = simd::rounded(x, simd::load(x, i) + simd::load(residual, i));
        simd::store(sum, i, value);
        squares += value * value;
      }
      x = sum;
    } else {
#pragma omp simd reduction(+ : squares)
      for (std::int64_t i = 0; i < a.width; ++i) {
        squares += simd::load(x, i) * simd::load(x, i);
      }
    }
    const float r = 1.0F / std::sqrt(squares / static_cast<float>(a.width) + a.eps);
    a.inverse[row] = r;
    if (a.round_first) {
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) {
        simd::store(y, i, simd::rounded(x, simd::load(x, i) * r) * a.factor[i]);
      }
    } else {
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) {
        simd::store(y, i, simd::load(x, i) * r * a.factor[i]);
      }
    }
  }
}
POSTTRAIN_SIMD void rms_norm_forward_rows(const RmsNormForward<float>& a, std::int64_t begin,
                                          std::int64_t end) {
  rms_norm_forward_body(a, begin, end);
}
POSTTRAIN_SIMD void rms_norm_forward_rows(const RmsNormForward<c10::BFloat16>& a,
                                          std::int64_t begin, std::int64_t end) {
  rms_norm_forward_body(a, begin, end);
}

template <class Element>
struct RmsNormBackward {
  RowLayout rows;
  std::int64_t width;
  const Element* x;
  const Element* dy;    // contiguous
  const Element* dsum;  // gradient of x + residual itself, contiguous, or null
  const float* factor;
  const float* inverse;
  bool round_first;
  Element* dx;  // contiguous
};

// dw: this chunk's partial sum.
template <class Element>
POSTTRAIN_ALWAYS_INLINE void rms_norm_backward_body(const RmsNormBackward<Element>& a, float* dw,
                                                    std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const Element* x = a.x + a.rows.offset(row);
    const Element* dy = a.dy + row * a.width;
    Element* dx = a.dx + row * a.width;
    const float r = a.inverse[row];
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (std::int64_t i = 0; i < a.width; ++i) {
      dot += simd::load(dy, i) * a.factor[i] * simd::load(x, i);
    }
    const float mean = dot * r / static_cast<float>(a.width);
    if (a.dsum != nullptr) {
      const Element* dsum = a.dsum + row * a.width;
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) {
        const float g = simd::load(dy, i) * a.factor[i];
        simd::store(dx, i, simd::load(dsum, i) + r * (g - simd::load(x, i) * r * mean));
      }
    } else {
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) {
        const float g = simd::load(dy, i) * a.factor[i];
        simd::store(dx, i, r * (g - simd::load(x, i) * r * mean));
      }
    }
    if (dw == nullptr) continue;
    if (a.round_first) {
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) {
        dw[i] += simd::load(dy, i) * simd::rounded(x, simd::load(x, i) * r);
      }
    } else {
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) {
        dw[i] += simd::load(dy, i) * (simd::load(x, i) * r);
      }
    }
  }
}
POSTTRAIN_SIMD void rms_norm_backward_rows(const RmsNormBackward<float>& a, float* dw,
                                           std::int64_t begin, std::int64_t end) {
  rms_norm_backward_body(a, dw, begin, end);
}
POSTTRAIN_SIMD void rms_norm_backward_rows(const RmsNormBackward<c10::BFloat16>& a, float* dw,
                                           std::int64_t begin, std::int64_t end) {
  rms_norm_backward_body(a, dw, begin, end);
}

struct RmsNormResult {
  Tensor sum;      // x + residual; undefined without a residual
  Tensor y;        // same shape as x, contiguous
  Tensor inverse;  // [rows], in the compute dtype
};

// The factor on the normalised x, in the compute dtype.
inline Tensor rms_norm_factor(const Tensor& weight, const Tensor& x, bool plus_one) {
  const Tensor wide = weight.to(compute_type(x)).contiguous();
  return plus_one ? wide + 1 : wide;
}

inline RmsNormResult rms_norm_forward(const Tensor& x, const Tensor& residual, const Tensor& weight,
                                      double eps, bool plus_one) {
  RmsNormResult result;
  POSTTRAIN_RETURN_ON_CUDA(
      cuda::has_cuda_kernel(x, weight),
      cuda::rms_norm_forward<RmsNormResult>(x, residual, weight, eps, plus_one));
  const Tensor factor = rms_norm_factor(weight, x, plus_one);
  if (!has_cpu_kernel(x)) {
    if (residual.defined()) result.sum = x + residual;
    const Tensor wide = (residual.defined() ? result.sum : x).to(compute_type(x));
    result.inverse = (wide.pow(2).mean(-1, true) + eps).rsqrt();
    Tensor normed = wide * result.inverse;
    if (!plus_one) normed = normed.to(x.scalar_type()).to(compute_type(x));
    result.y = (normed * factor).to(x.scalar_type());
    return result;
  }
  const RowLayout rows = row_layout(x);
  result.y = at::empty(x.sizes(), x.options());
  if (residual.defined()) result.sum = at::empty(x.sizes(), x.options());
  result.inverse = at::empty({rows.count}, x.options().dtype(at::kFloat));
  with_element_type(x, [&](auto element) {
    using Element = decltype(element);
    const RmsNormForward<Element> arguments{
        rows,
        x.size(-1),
        x.const_data_ptr<Element>(),
        residual.defined() ? residual.const_data_ptr<Element>() : nullptr,
        factor.const_data_ptr<float>(),
        static_cast<float>(eps),
        !plus_one,
        residual.defined() ? result.sum.mutable_data_ptr<Element>() : nullptr,
        result.y.mutable_data_ptr<Element>(),
        result.inverse.mutable_data_ptr<float>()};
    at::parallel_for(0, rows.count, 1 + 16384 / x.size(-1),
                     [&](std::int64_t begin, std::int64_t end) {
                       rms_norm_forward_rows(arguments, begin, end);
                     });
  });
  return result;
}

// (dx, dw) of y at x, which is x + residual where there was a residual; dsum may be undefined.
inline std::pair<Tensor, Tensor> rms_norm_backward(const Tensor& dy, const Tensor& dsum,
                                                   const Tensor& x, const Tensor& weight,
                                                   const Tensor& inverse, bool plus_one,
                                                   bool with_weight) {
  POSTTRAIN_RETURN_ON_CUDA(
      cuda::has_cuda_kernel(x, weight),
      cuda::rms_norm_backward(dy, dsum, x, weight, inverse, plus_one, with_weight));
  const Tensor factor = rms_norm_factor(weight, x, plus_one);
  if (!has_cpu_kernel(x)) {
    const Tensor normed = x.to(compute_type(x)) * inverse;
    const Tensor wide = dy.to(compute_type(x));
    const Tensor g = wide * factor;
    Tensor dx = (inverse * (g - normed * (g * normed).mean(-1, true))).to(x.scalar_type());
    if (dsum.defined()) dx = dx + dsum;
    Tensor dw;
    if (with_weight) {
      const Tensor rounded = plus_one ? normed : normed.to(x.scalar_type());
      dw = (wide * rounded).reshape({-1, x.size(-1)}).sum(0).to(weight.scalar_type());
    }
    return {dx, dw};
  }
  const RowLayout rows = row_layout(x);
  const std::int64_t width = x.size(-1), chunks = row_chunks(rows.count);
  const Tensor grad = dy.contiguous();
  const Tensor sum_grad = dsum.defined() ? dsum.contiguous() : dsum;
  Tensor dx = at::empty(x.sizes(), x.options());
  Tensor partial;
  if (with_weight) partial = at::zeros({chunks, width}, x.options().dtype(at::kFloat));
  with_element_type(x, [&](auto element) {
    using Element = decltype(element);
    const RmsNormBackward<Element> arguments{
        rows,
        width,
        x.const_data_ptr<Element>(),
        grad.const_data_ptr<Element>(),
        sum_grad.defined() ? sum_grad.const_data_ptr<Element>() : nullptr,
        factor.const_data_ptr<float>(),
        inverse.const_data_ptr<float>(),
        !plus_one,
        dx.mutable_data_ptr<Element>()};
    float* dw = with_weight ? partial.mutable_data_ptr<float>() : nullptr;
    at::parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t chunk = begin; chunk < end; ++chunk) {
        rms_norm_backward_rows(arguments, dw == nullptr ? nullptr : dw + chunk * width,
                               rows.count * chunk / chunks, rows.count * (chunk + 1) / chunks);
      }
    });
  });
  return {dx, with_weight ? partial.sum(0).to(weight.scalar_type()) : Tensor()};
}

inline void check_norm(const char* name, const Tensor& x, const Tensor& weight) {
  if (x.dim() >= 1 && weight.dim() == 1 && weight.size(0) == x.size(-1)) return;
  raise("{} expected x [..., d] and weight [d], got {} and {}", name, shape_text(x),
        shape_text(weight));
}

}  // namespace detail

POSTTRAIN_INLINE Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps, bool plus_one) {
  detail::check_norm("rms_norm", x, weight);
  const Tensor rows = detail::with_row_layout(x.detach());
  const Tensor w = weight.detach();
  auto [sum, y, inverse] = [&] {
    at::NoGradGuard no_grad;
    return detail::rms_norm_forward(rows, {}, w, eps, plus_one);
  }();
  return differentiable(y, {x, weight},
                        [rows, w, inverse = inverse, plus_one,
                         with_weight = weight.requires_grad()](const Tensor& dy) {
                          auto [dx, dw] = detail::rms_norm_backward(dy, {}, rows, w, inverse,
                                                                    plus_one, with_weight);
                          return Tensors{dx, dw};
                        });
}

POSTTRAIN_INLINE std::pair<Tensor, Tensor> add_rms_norm(const Tensor& x, const Tensor& residual,
                                                        const Tensor& weight, double eps,
                                                        bool plus_one) {
  detail::check_norm("add_rms_norm", x, weight);
  if (x.sizes() != residual.sizes() || x.scalar_type() != residual.scalar_type()) {
    raise("add_rms_norm expected two tensors of one shape and dtype, got {} and {}", shape_text(x),
          shape_text(residual));
  }
  const Tensor w = weight.detach();
  auto [sum, y, inverse] = [&] {
    at::NoGradGuard no_grad;
    return detail::rms_norm_forward(detail::with_row_layout(x.detach()),
                                    residual.detach().contiguous(), w, eps, plus_one);
  }();
  const Tensors outputs =
      differentiable(Tensors{sum, y}, {x, residual, weight},
                     [saved = sum.detach(), w, inverse = inverse, plus_one,
                      with_weight = weight.requires_grad()](const Tensors& grads) {
                       if (!grads[1].defined()) return Tensors{grads[0], grads[0], Tensor()};
                       auto [dx, dw] = detail::rms_norm_backward(grads[1], grads[0], saved, w,
                                                                 inverse, plus_one, with_weight);
                       return Tensors{dx, dx, dw};
                     });
  return {outputs[0], outputs[1]};
}

}  // namespace posttrain
