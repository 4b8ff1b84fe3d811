// SPDX-License-Identifier: Apache-2.0
// Definitions of gated_activation.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cmath>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/nn/activation.hpp"
#include "posttrain/nn/cpu/rows.hpp"
#include "posttrain/nn/cpu/simd.hpp"
#include "posttrain/nn/cuda/activation.hpp"
#include "posttrain/nn/gated_activation.hpp"
#include "posttrain/tensor/cuda/dispatch.hpp"
#include "posttrain/tensor/differentiable.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

namespace detail {

inline constexpr float kSqrtHalf = 0.70710678118654752F;
inline constexpr float kSqrtTwoOverPi = 0.79788456080286536F;
inline constexpr float kInverseSqrtTwoPi = 0.39894228040143268F;
inline constexpr float kGeluCubic = 0.044715F;

struct ActivationValue {
  float value, slope;
};

template <ActivationKind kind>
POSTTRAIN_ALWAYS_INLINE ActivationValue activation_value(float x) {
  if constexpr (kind == ActivationKind::kSilu) {
    const float s = simd::sigmoid(x);
    return {x * s, s * (1.0F + x * (1.0F - s))};
  } else if constexpr (kind == ActivationKind::kGelu) {
    const float cdf = 0.5F * (1.0F + simd::erf(x * kSqrtHalf));
    return {x * cdf, cdf + x * kInverseSqrtTwoPi * simd::exp(-0.5F * x * x)};
  } else {
    const float t = simd::tanh(kSqrtTwoOverPi * (x + kGeluCubic * x * x * x));
    const float inner = kSqrtTwoOverPi * (1.0F + 3.0F * kGeluCubic * x * x);
    return {0.5F * x * (1.0F + t), 0.5F * (1.0F + t) + 0.5F * x * (1.0F - t * t) * inner};
  }
}

// Without `up`: y = act(x), dx = dy act'(x). With it: y = act(x) up, and dup too.
template <class Element>
struct ActivationRows {
  std::int64_t width;
  const Element* x;
  const Element* up;  // or null
  std::int64_t x_stride;
  Element* y;  // forward, contiguous
  const Element* dy;
  Element* dx;  // backward, strides as of x
  Element* dup;
  std::int64_t dx_stride;
};

template <ActivationKind kind, class Element>
POSTTRAIN_ALWAYS_INLINE void activation_forward_body(const ActivationRows<Element>& a,
                                                     std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const Element* x = a.x + row * a.x_stride;
    Element* y = a.y + row * a.width;
    if (a.up == nullptr) {
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) {
        simd::store(y, i, activation_value<kind>(simd::load(x, i)).value);
      }
    } else {
      const Element* up = a.up + row * a.x_stride;
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) {
        const float value = activation_value<kind>(simd::load(x, i)).value;
        simd::store(y, i, simd::rounded(x, value) * simd::load(up, i));
      }
    }
  }
}

template <ActivationKind kind, class Element>
POSTTRAIN_ALWAYS_INLINE void activation_backward_body(const ActivationRows<Element>& a,
                                                      std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const Element* x = a.x + row * a.x_stride;
    const Element* dy = a.dy + row * a.width;
    Element* dx = a.dx + row * a.dx_stride;
    if (a.up == nullptr) {
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) {
        simd::store(dx, i, simd::load(dy, i) * activation_value<kind>(simd::load(x, i)).slope);
      }
    } else {
      const Element* up = a.up + row * a.x_stride;
      Element* dup = a.dup + row * a.dx_stride;
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) {
        const ActivationValue act = activation_value<kind>(simd::load(x, i));
        const float grad = simd::load(dy, i);
        simd::store(dup, i, grad * simd::rounded(x, act.value));
        simd::store(dx, i, grad * simd::load(up, i) * act.slope);
      }
    }
  }
}

template <class Element>
POSTTRAIN_ALWAYS_INLINE void activation_body(const ActivationRows<Element>& a, ActivationKind kind,
                                             bool backward, std::int64_t begin, std::int64_t end) {
  using enum ActivationKind;
  if (backward) {
    if (kind == kSilu) return activation_backward_body<kSilu>(a, begin, end);
    if (kind == kGelu) return activation_backward_body<kGelu>(a, begin, end);
    return activation_backward_body<kGeluTanh>(a, begin, end);
  }
  if (kind == kSilu) return activation_forward_body<kSilu>(a, begin, end);
  if (kind == kGelu) return activation_forward_body<kGelu>(a, begin, end);
  return activation_forward_body<kGeluTanh>(a, begin, end);
}
POSTTRAIN_SIMD void activation_rows(const ActivationRows<float>& a, ActivationKind kind,
                                    bool backward, std::int64_t begin, std::int64_t end) {
  activation_body(a, kind, backward, begin, end);
}
POSTTRAIN_SIMD void activation_rows(const ActivationRows<c10::BFloat16>& a, ActivationKind kind,
                                    bool backward, std::int64_t begin, std::int64_t end) {
  activation_body(a, kind, backward, begin, end);
}

template <class Element>
void run_activation(const ActivationRows<Element>& a, ActivationKind kind, bool backward,
                    std::int64_t rows) {
  at::parallel_for(0, rows, 1 + 4096 / a.width, [&](std::int64_t begin, std::int64_t end) {
    activation_rows(a, kind, backward, begin, end);
  });
}

// (act(x), act'(x)) in plain operations.
inline std::pair<Tensor, Tensor> activation_generic(const Tensor& x, ActivationKind kind) {
  switch (kind) {
    case ActivationKind::kSilu: {
      const Tensor s = x.sigmoid();
      return {x * s, s * (1 + x * (1 - s))};
    }
    case ActivationKind::kGelu: {
      const Tensor cdf = 0.5 * (1 + (x * std::sqrt(0.5)).erf());
      return {x * cdf, cdf + x * (-0.5 * x * x).exp() * (0.5 * M_SQRT1_2 * M_2_SQRTPI)};
    }
    case ActivationKind::kGeluTanh:
      break;
  }
  const double factor = M_SQRT1_2 * M_2_SQRTPI, cubic = 0.044715;
  const Tensor t = ((x + cubic * x.pow(3)) * factor).tanh();
  const Tensor slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * factor * (1 + 3 * cubic * x * x);
  return {0.5 * x * (1 + t), slope};
}

inline Tensor activation_forward(const Tensor& x, ActivationKind kind) {
  POSTTRAIN_RETURN_ON_CUDA(cuda::has_cuda_kernel(x),
                           cuda::activation_forward(x, kind, /*gated=*/false));
  if (!has_cpu_kernel(x)) {
    return activation_generic(x.to(compute_type(x)), kind).first.to(x.scalar_type());
  }
  Tensor y = at::empty(x.sizes(), x.options());
  with_element_type(x, [&](auto element) {
    using Element = decltype(element);
    // Rows of any length will do: the tensor is contiguous.
    const std::int64_t width = x.size(-1);
    run_activation<Element>({width, x.const_data_ptr<Element>(), nullptr, width,
                             y.mutable_data_ptr<Element>(), nullptr, nullptr, nullptr, width},
                            kind, false, x.numel() / width);
  });
  return y;
}

inline Tensor activation_backward(const Tensor& dy, const Tensor& x, ActivationKind kind) {
  POSTTRAIN_RETURN_ON_CUDA(cuda::has_cuda_kernel(x),
                           cuda::activation_backward(dy, x, kind, /*gated=*/false));
  if (!has_cpu_kernel(x)) {
    const Tensor slope = activation_generic(x.to(compute_type(x)), kind).second;
    return (dy.to(compute_type(x)) * slope).to(x.scalar_type());
  }
  const Tensor grad = dy.contiguous();
  Tensor dx = at::empty(x.sizes(), x.options());
  with_element_type(x, [&](auto element) {
    using Element = decltype(element);
    const std::int64_t width = x.size(-1);
    run_activation<Element>(
        {width, x.const_data_ptr<Element>(), nullptr, width, nullptr,
         grad.const_data_ptr<Element>(), dx.mutable_data_ptr<Element>(), nullptr, width},
        kind, true, x.numel() / width);
  });
  return dx;
}

inline Tensor gated_activation_forward(const Tensor& gate_up, ActivationKind kind) {
  POSTTRAIN_RETURN_ON_CUDA(cuda::has_cuda_kernel(gate_up),
                           cuda::activation_forward(gate_up, kind, /*gated=*/true));
  const std::int64_t features = gate_up.size(1) / 2;
  if (!has_cpu_kernel(gate_up)) {
    const auto dtype = gate_up.scalar_type();
    const Tensor gate = gate_up.narrow(1, 0, features).to(compute_type(gate_up));
    return activation_generic(gate, kind).first.to(dtype) * gate_up.narrow(1, features, features);
  }
  Tensor y = at::empty({gate_up.size(0), features}, gate_up.options());
  with_element_type(gate_up, [&](auto element) {
    using Element = decltype(element);
    const Element* gate = gate_up.const_data_ptr<Element>();
    run_activation<Element>({features, gate, gate + features, gate_up.stride(0),
                             y.mutable_data_ptr<Element>(), nullptr, nullptr, nullptr, 0},
                            kind, false, gate_up.size(0));
  });
  return y;
}

inline Tensor gated_activation_backward(const Tensor& dy, const Tensor& gate_up,
                                        ActivationKind kind) {
  POSTTRAIN_RETURN_ON_CUDA(cuda::has_cuda_kernel(gate_up),
                           cuda::activation_backward(dy, gate_up, kind, /*gated=*/true));
  const std::int64_t features = gate_up.size(1) / 2;
  if (!has_cpu_kernel(gate_up)) {
    const auto type = compute_type(gate_up);
    const auto [act, slope] = activation_generic(gate_up.narrow(1, 0, features).to(type), kind);
    const Tensor grad = dy.to(type);
    const Tensor dgate = grad * gate_up.narrow(1, features, features).to(type) * slope;
    const Tensor dup = grad * act.to(gate_up.scalar_type()).to(type);
    return at::cat({dgate, dup}, 1).to(gate_up.scalar_type());
  }
  const Tensor grad = dy.contiguous();
  Tensor dx = at::empty(gate_up.sizes(), gate_up.options());
  with_element_type(gate_up, [&](auto element) {
    using Element = decltype(element);
    const Element* gate = gate_up.const_data_ptr<Element>();
    Element* out = dx.mutable_data_ptr<Element>();
    run_activation<Element>({features, gate, gate + features, gate_up.stride(0), nullptr,
                             grad.const_data_ptr<Element>(), out, out + features, 2 * features},
                            kind, true, gate_up.size(0));
  });
  return dx;
}

}  // namespace detail

POSTTRAIN_INLINE Tensor activation(const Tensor& x, ActivationKind kind) {
  const Tensor input = x.detach().contiguous();
  Tensor y = [&] {
    at::NoGradGuard no_grad;
    return detail::activation_forward(input, kind);
  }();
  return differentiable(y, {x}, [input, kind](const Tensor& dy) {
    return Tensors{detail::activation_backward(dy, input, kind)};
  });
}

POSTTRAIN_INLINE Tensor gated_activation(const Tensor& gate_up, ActivationKind kind) {
  if (gate_up.dim() != 2 || gate_up.size(1) % 2 != 0) {
    raise("gated_activation expected [T, 2F], got {}", shape_text(gate_up));
  }
  const Tensor input = detail::with_row_layout(gate_up.detach());
  Tensor y = [&] {
    at::NoGradGuard no_grad;
    return detail::gated_activation_forward(input, kind);
  }();
  return differentiable(y, {gate_up}, [input, kind](const Tensor& dy) {
    return Tensors{detail::gated_activation_backward(dy, input, kind)};
  });
}

}  // namespace posttrain
