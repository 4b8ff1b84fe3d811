// SPDX-License-Identifier: Apache-2.0
// Definitions of adamw_8bit.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/nn/cpu/simd.hpp"
#include "posttrain/optim/adamw_8bit.hpp"
#include "posttrain/optim/cuda/adamw_8bit.hpp"
#include "posttrain/optim/impl/adamw.ipp"
#include "posttrain/storage/impl/int8_codec.ipp"
#include "posttrain/tensor/cuda/dispatch.hpp"
#include "posttrain/tensor/kernels.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

/// The nearest entry of a dynamic map, exactly: among the floats that share their upper 16 bits
/// changes the nearest entry at most once, because neighbours are 0.7 % apart or more. So one
/// look-up and one comparison find it.
struct NearestCode {
  std::array<std::uint8_t, 65536> least;  // of the smallest float with these upper bits
  std::array<float, 256> above;           // where the next entry becomes the nearer one

  explicit NearestCode(const float* map) {
    for (std::size_t i = 0; i < 255; ++i) above[i] = (map[i] + map[i + 1]) / 2.0F;
    above[255] = std::numeric_limits<float>::infinity();
    for (std::uint32_t upper = 0; upper < 65536; ++upper) {
      const bool negative = upper >= 32768;
      const auto smallest = std::bit_cast<float>(upper << 16 | (negative ? 0xFFFFU : 0U));
      least[upper] = static_cast<std::uint8_t>(
          std::lower_bound(above.begin(), above.end() - 1, smallest) - above.begin());
    }
  }

  POSTTRAIN_ALWAYS_INLINE std::uint8_t operator()(float x) const {
    const std::uint8_t code = least[std::bit_cast<std::uint32_t>(x) >> 16];
    return static_cast<std::uint8_t>(code + (x > above[code] ? 1 : 0));
  }

  static const NearestCode& of(bool is_signed) {
    static const std::array<NearestCode, 2> both{
        NearestCode(dynamic_map(false).const_data_ptr<float>()),
        NearestCode(dynamic_map(true).const_data_ptr<float>())};
    return both[is_signed ? 1 : 0];
  }
};

/// One step's numbers.
struct AdamWStep {
  double beta1, beta2, eps;
  double rate;         // η / (1 − β1ᵗ)
  double root_second;  // √(1 − β2ᵗ)
  double decay;        // η λ
  double grad_factor;

  AdamWStep(const AdamW8bit& o, double steps, double learning_rate, double decay,
            double grad_factor)
      : beta1(o.beta1),
        beta2(o.beta2),
        eps(o.eps),
        rate(learning_rate / (1.0 - std::pow(o.beta1, steps))),
        root_second(std::sqrt(1.0 - std::pow(o.beta2, steps))),
        decay(learning_rate * decay),
        grad_factor(grad_factor) {}
};

struct Moments8bit {
  std::int64_t block_size, numel;
  std::uint8_t *first, *second;
  float *first_absmax, *second_absmax;
  const float *signed_map, *unsigned_map;
  const NearestCode *signed_code, *unsigned_code;
};

POSTTRAIN_SIMD void adamw_8bit_blocks(const Moments8bit& s, const AdamWStep& step, float* p,
                                      const float* g, std::int64_t begin, std::int64_t end) {
  constexpr std::int64_t kLargestBlock = 4096;
  float m[kLargestBlock], v[kLargestBlock];
  const auto beta1 = static_cast<float>(step.beta1), rest1 = static_cast<float>(1.0 - step.beta1);
  const auto beta2 = static_cast<float>(step.beta2), rest2 = static_cast<float>(1.0 - step.beta2);
  const auto eps = static_cast<float>(step.eps), rate = static_cast<float>(step.rate);
  const auto root_second = static_cast<float>(step.root_second);
  const auto decay = static_cast<float>(step.decay);
  const auto factor = static_cast<float>(step.grad_factor);
  const float smallest = s.unsigned_map[1];
  for (std::int64_t block = begin; block < end; ++block) {
    const std::int64_t start = block * s.block_size;
    const std::int64_t count = std::min(s.block_size, s.numel - start);
    std::uint8_t *first = s.first + start, *second = s.second + start;
    const float* from = g + start;
    float* to = p + start;
    const float old_m = s.first_absmax[block], old_v = s.second_absmax[block];
    // Look-ups apart from arithmetic, which vectorises without them.
    for (std::int64_t i = 0; i < count; ++i) {
      m[i] = s.signed_map[first[i]];
      v[i] = s.unsigned_map[second[i]];
    }
    float largest_m = 0.0F, largest_v = 0.0F;
#pragma omp simd reduction(max : largest_m, largest_v)
    for (std::int64_t i = 0; i < count; ++i) {
      const float gradient = from[i] * factor;
      const float new_m = beta1 * (m[i] * old_m) + rest1 * gradient;
      const float new_v = beta2 * (v[i] * old_v) + rest2 * gradient * gradient;
      const float size = std::fabs(new_m);
      largest_m = largest_m < size ? size : largest_m;
      largest_v = largest_v < new_v ? new_v : largest_v;
      to[i] -= decay * to[i] + rate * new_m / (simd::sqrt(new_v) / root_second + eps);
      m[i] = new_m;
      v[i] = new_v;
    }
    s.first_absmax[block] = largest_m;
    s.second_absmax[block] = largest_v;
    // Divided, not multiplied by a reciprocal, which is infinite for the squares of small
    // gradients. Where all are 0, so is the scale, and any code will do.
    const float scale_m = largest_m > 0.0F ? largest_m : 1.0F;
    const float scale_v = largest_v > 0.0F ? largest_v : 1.0F;
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) {
      m[i] /= scale_m;
      // The smallest entry but 0 for all that is not 0.
      const float scaled = v[i] / scale_v, least = v[i] > 0.0F ? smallest : 0.0F;
      v[i] = scaled < least ? least : scaled;
    }
    for (std::int64_t i = 0; i < count; ++i) {
      first[i] = (*s.signed_code)(m[i]);
      second[i] = (*s.unsigned_code)(v[i]);
    }
  }
}

/// On any device and in any precision, by ATen's operations; numbers of the step are tensors, so
/// that nothing is read.
inline void adamw_8bit_generic(const Tensor& master, const Tensor& grad, const Quantized8Bit& first,
                               const Quantized8Bit& second, const AdamW8bit& options,
                               const Tensor& steps, double learning_rate, double decay,
                               const GradientScale& scale) {
  const std::int64_t block_size = options.block_size;
  const Tensor t = steps.to(at::kDouble);
  const Tensor rate = learning_rate / (1.0 - at::pow(options.beta1, t));
  const Tensor root_second = (1.0 - at::pow(options.beta2, t)).sqrt();
  const Tensor keeps = scale.skip(master.device()) == 0;
  const Tensor m = at::empty_like(master), v = at::empty_like(master);
  dequantize_8bit_generic(first, dynamic_map(true), block_size, m);
  dequantize_8bit_generic(second, dynamic_map(false), block_size, v);
  const Tensor g = grad * scale.factor(master.device());
  m.mul_(options.beta1).add_(g, 1.0 - options.beta1);
  v.mul_(options.beta2).add_(g * g, 1.0 - options.beta2);
  const auto replace = [&](const Tensor& old, const Tensor& now) {
    old.copy_(now.where(keeps, old));
  };
  replace(master, master * (1.0 - learning_rate * decay) -
                      rate * (m / (v.sqrt() / root_second + options.eps)));
  const Quantized8Bit new_first = quantize_8bit_exactly(m, true, block_size);
  const Quantized8Bit new_second = quantize_8bit_exactly(v, false, block_size);
  replace(first.codes, new_first.codes);
  replace(first.absmax, new_first.absmax);
  replace(second.codes, at::maximum(new_second.codes, at::gt(v, 0).to(at::kByte)));
  replace(second.absmax, new_second.absmax);
}

#ifndef POSTTRAIN_NO_CUDA

inline void adamw_8bit_cuda(const Tensor& master, const Tensor& grad, const Quantized8Bit& first,
                            const Quantized8Bit& second, const AdamW8bit& options,
                            const Tensor& steps, double learning_rate, double decay,
                            const GradientScale& scale) {
  const at::Device device = master.device();
  cuda::adamw_8bit_kernel(
      {device, at::kFloat, 1},
      {first.absmax.numel(), static_cast<int>(std::min<std::int64_t>(options.block_size, 256))},
      master, grad, first.codes, first.absmax, second.codes, second.absmax,
      on_device(dynamic_map(true), device), on_device(dynamic_map(false), device), steps,
      scale.factor(device), scale.skip(device), master.numel(), options.block_size, options.beta1,
      options.beta2, options.eps, learning_rate, decay);
}

#endif

/// Part of moments; `begin` is a multiple of the block's size.
inline Quantized8Bit narrowed(const Quantized8Bit& moment, std::int64_t begin, std::int64_t size,
                              std::int64_t block_size) {
  return {moment.codes.narrow(0, begin, size),
          moment.absmax.narrow(0, begin / block_size, (size + block_size - 1) / block_size)};
}

inline void adamw_8bit(const Tensor& master, const Tensor& grad, const Quantized8Bit& first,
                       const Quantized8Bit& second, const AdamW8bit& options, const Tensor& steps,
                       double learning_rate, double decay, const GradientScale& scale) {
  POSTTRAIN_RETURN_ON_CUDA(
      cuda::has_cuda_kernel(master) && master.scalar_type() == at::kFloat,
      adamw_8bit_cuda(master, grad, first, second, options, steps, learning_rate, decay, scale));
  if (!master.is_cpu() || master.scalar_type() != at::kFloat || generic_kernels()) {
    // In pieces: the operations take some 40 bytes for each parameter on their way.
    constexpr std::int64_t kPiece = std::int64_t{1} << 22;
    for (std::int64_t begin = 0; begin < master.numel(); begin += kPiece) {
      const std::int64_t size = std::min(kPiece, master.numel() - begin);
      adamw_8bit_generic(master.narrow(0, begin, size), grad.narrow(0, begin, size),
                         narrowed(first, begin, size, options.block_size),
                         narrowed(second, begin, size, options.block_size), options, steps,
                         learning_rate, decay, scale);
    }
    return;
  }
  if (scale.skip(at::kCPU).item<float>() != 0.0F) return;
  const AdamWStep step(options, steps.item<double>(), learning_rate, decay,
                       scale.factor(at::kCPU).item<double>());
  const Moments8bit moments{options.block_size,
                            master.numel(),
                            first.codes.mutable_data_ptr<std::uint8_t>(),
                            second.codes.mutable_data_ptr<std::uint8_t>(),
                            first.absmax.mutable_data_ptr<float>(),
                            second.absmax.mutable_data_ptr<float>(),
                            dynamic_map(true).const_data_ptr<float>(),
                            dynamic_map(false).const_data_ptr<float>(),
                            &NearestCode::of(true),
                            &NearestCode::of(false)};
  float* p = master.mutable_data_ptr<float>();
  const float* g = grad.const_data_ptr<float>();
  for_blocks(master.numel(), options.block_size, [&](std::int64_t begin, std::int64_t end) {
    adamw_8bit_blocks(moments, step, p, g, begin, end);
  });
}

}  // namespace detail

POSTTRAIN_INLINE AdamW8bitState::AdamW8bitState(const AdamW8bit& options,
                                                const std::vector<ParameterGroup>& groups)
    : options_(options) {
  for (const ParameterGroup& group : groups) {
    const at::TensorOptions place = detail::moment_options(group, options.offload);
    const std::int64_t n = group.master.numel();
    Moments moments;
    moments.step = at::zeros({}, place.dtype(at::kFloat));
    if (group.whole_size() < options.min_8bit_size || !group.decay) {
      moments.first = at::zeros({n}, place);
      moments.second = at::zeros({n}, place);
    } else {
      const std::int64_t blocks = (n + options.block_size - 1) / options.block_size;
      for (Quantized8Bit* moment : {&moments.first8, &moments.second8}) {
        *moment = {at::zeros({n}, place.dtype(at::kByte)),
                   at::zeros({blocks}, place.dtype(at::kFloat))};
      }
    }
    groups_.push_back(std::move(moments));
  }
}

POSTTRAIN_INLINE void AdamW8bitState::step(std::vector<ParameterGroup>& groups,
                                           double learning_rate, const GradientScale& given) {
  at::NoGradGuard no_grad;
  const AdamW in_fp32{options_.beta1, options_.beta2, options_.eps, options_.weight_decay};
  const GradientScale scale = options_.offload ? given.on_host() : given;
  const auto update = [&](std::size_t i, const Tensor& master, const Tensor& grad,
                          std::int64_t begin) {
    const ParameterGroup& group = groups[i];
    Moments& moments = groups_[i];
    const double rate = learning_rate * group.lr_scale;
    const double decay = group.decay ? options_.weight_decay : 0.0;
    const std::int64_t n = master.numel(), block = options_.block_size;
    if (begin == 0) moments.step.add_(1 - scale.skip(moments.step.device()));
    if (moments.first.defined()) {
      detail::fused_adamw(master, grad, moments.first.narrow(0, begin, n),
                          moments.second.narrow(0, begin, n), moments.step, in_fp32, rate, decay,
                          scale);
    } else {
      detail::adamw_8bit(master, grad, detail::narrowed(moments.first8, begin, n, block),
                         detail::narrowed(moments.second8, begin, n, block), options_, moments.step,
                         rate, decay, scale);
    }
  };
  detail::update_groups(groups, options_.offload, update);
}

POSTTRAIN_INLINE std::vector<NamedTensor> AdamW8bitState::tensors() const {
  std::vector<NamedTensor> all;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const Moments& moments = groups_[i];
    const auto add = [&](const char* name, const Tensor& value) {
      all.push_back({"adamw_8bit." + std::string(name) + "." + std::to_string(i), value});
    };
    if (moments.first.defined()) {
      add("exp_avg", moments.first);
      add("exp_avg_sq", moments.second);
    } else {
      add("exp_avg_codes", moments.first8.codes);
      add("exp_avg_absmax", moments.first8.absmax);
      add("exp_avg_sq_codes", moments.second8.codes);
      add("exp_avg_sq_absmax", moments.second8.absmax);
    }
    add("step", moments.step);
  }
  return all;
}

POSTTRAIN_INLINE AdamW8bitState AdamW8bit::attach(const std::vector<ParameterGroup>& groups) const {
  return AdamW8bitState(*this, groups);
}

}  // namespace posttrain
