// SPDX-License-Identifier: Apache-2.0
// Definitions of softmax_rows.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/nn/cpu/rows.hpp"
#include "posttrain/nn/cpu/simd.hpp"
#include "posttrain/nn/cpu/softmax_rows.hpp"
#include "posttrain/nn/cuda/softmax_rows.hpp"
#include "posttrain/tensor/cuda/dispatch.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/shape_text.hpp"

namespace posttrain {

namespace detail {

// Columns whose partial sums stay in float.
inline constexpr std::int64_t kRowBlock = 2048;

template <class Element>
struct LogitRows {
  const Element* z;  // row i starts at i · stride
  std::int64_t stride, width;
  const std::int64_t* targets;
  RowWanted wanted;
  float *logp, *lse, *entropy, *mean, *log_sum_sq;
};

template <class Element>
POSTTRAIN_ALWAYS_INLINE void logit_row_stats_body(const LogitRows<Element>& a, std::int64_t begin,
                                                  std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const Element* z = a.z + row * a.stride;
    float largest = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : largest)
    for (std::int64_t i = 0; i < a.width; ++i) {
      const float value = simd::load(z, i);
      largest = value > largest ? value : largest;
    }
    double exps = 0, weighted = 0, total = 0, squares = 0;
    for (std::int64_t start = 0; start < a.width; start += kRowBlock) {
      const std::int64_t stop = std::min(start + kRowBlock, a.width);
      float block_exps = 0, block_weighted = 0, block_total = 0, block_squares = 0;
      if (a.wanted.entropy) {
#pragma omp simd reduction(+ : block_exps, block_weighted)
        for (std::int64_t i = start; i < stop; ++i) {
          const float shifted = simd::load(z, i) - largest;
          const float e = simd::exp(shifted);
          block_exps += e;
          block_weighted += e * std::max(shifted, -100.0F);  // e is 0 there; −inf · 0 is not
        }
      } else {
#pragma omp simd reduction(+ : block_exps)
        for (std::int64_t i = start; i < stop; ++i) {
          block_exps += simd::exp(simd::load(z, i) - largest);
        }
      }
      if (a.wanted.mean_logit) {
#pragma omp simd reduction(+ : block_total)
        for (std::int64_t i = start; i < stop; ++i) block_total += simd::load(z, i);
      }
      if (a.wanted.log_sum_sq) {
#pragma omp simd reduction(+ : block_squares)
        for (std::int64_t i = start; i < stop; ++i) {
          block_squares += simd::exp(2.0F * (simd::load(z, i) - largest));
        }
      }
      exps += block_exps;
      weighted += block_weighted;
      total += block_total;
      squares += block_squares;
    }
    const double log_exps = std::log(exps);
    a.lse[row] = static_cast<float>(largest + log_exps);
    // Not target − lse: that would round twice at the size of lse.
    a.logp[row] =
        static_cast<float>(static_cast<double>(simd::load(z, a.targets[row])) - largest - log_exps);
    if (a.wanted.entropy) a.entropy[row] = static_cast<float>(log_exps - weighted / exps);
    if (a.wanted.mean_logit) a.mean[row] = static_cast<float>(total / static_cast<double>(a.width));
    if (a.wanted.log_sum_sq) {
      a.log_sum_sq[row] = static_cast<float>(std::log(squares) - 2.0 * log_exps);
    }
  }
}
POSTTRAIN_SIMD void logit_row_stats(const LogitRows<float>& a, std::int64_t begin,
                                    std::int64_t end) {
  logit_row_stats_body(a, begin, end);
}
POSTTRAIN_SIMD void logit_row_stats(const LogitRows<c10::BFloat16>& a, std::int64_t begin,
                                    std::int64_t end) {
  logit_row_stats_body(a, begin, end);
}

template <class Element>
struct LogitGradRows {
  Element* z;
  std::int64_t stride, width;
  const std::int64_t* targets;
  const float *lse, *entropy;
  const float *dlogp, *dlse, *dentropy, *dmean;  // null: zero
};

template <class Element>
POSTTRAIN_ALWAYS_INLINE void logit_row_grads_body(const LogitGradRows<Element>& a,
                                                  std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    Element* z = a.z + row * a.stride;
    const float lse = a.lse[row];
    const float dlogp = a.dlogp != nullptr ? a.dlogp[row] : 0.0F;
    const float linear = (a.dlse != nullptr ? a.dlse[row] : 0.0F) - dlogp;
    const float constant = a.dmean != nullptr ? a.dmean[row] / static_cast<float>(a.width) : 0.0F;
    const float c = a.dentropy != nullptr ? a.dentropy[row] : 0.0F;
    const std::int64_t target = a.targets[row];
    const float at_target = simd::load(z, target);
    float log_p = at_target - lse;
    float target_grad = simd::exp(log_p) * linear + constant + dlogp;
    if (c != 0.0F) {
      const float entropy = a.entropy[row];
      target_grad -= c * simd::exp(log_p) * (std::max(log_p, -100.0F) + entropy);
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) {
        const float log_probability = simd::load(z, i) - lse;
        const float slope = linear - c * (std::max(log_probability, -100.0F) + entropy);
        simd::store(z, i, simd::exp(log_probability) * slope + constant);
      }
    } else if (linear == 0.0F) {
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) simd::store(z, i, constant);
    } else {
#pragma omp simd
      for (std::int64_t i = 0; i < a.width; ++i) {
        simd::store(z, i, simd::exp(simd::load(z, i) - lse) * linear + constant);
      }
    }
    simd::store(z, target, target_grad);
  }
}
POSTTRAIN_SIMD void logit_row_grads(const LogitGradRows<float>& a, std::int64_t begin,
                                    std::int64_t end) {
  logit_row_grads_body(a, begin, end);
}
POSTTRAIN_SIMD void logit_row_grads(const LogitGradRows<c10::BFloat16>& a, std::int64_t begin,
                                    std::int64_t end) {
  logit_row_grads_body(a, begin, end);
}

inline bool logits_take_fast_path(const Tensor& logits) {
  POSTTRAIN_RETURN_ON_CUDA(cuda::has_cuda_kernel(logits), logits.stride(1) == 1);
  return has_cpu_kernel(logits) && logits.stride(1) == 1;
}

inline RowStats empty_row_stats(const Tensor& logits, RowWanted wanted) {
  const auto made = [&](bool is_wanted) {
    return is_wanted ? at::empty({logits.size(0)}, logits.options().dtype(at::kFloat)) : Tensor();
  };
  return {made(true), made(true), made(wanted.entropy), made(wanted.mean_logit),
          made(wanted.log_sum_sq)};
}

#ifndef POSTTRAIN_NO_CUDA

inline RowStats row_stats_cuda(const Tensor& logits, const Tensor& targets, const RowStats& out) {
  const std::int64_t width = logits.size(1), stride = logits.stride(0);
  const cuda::Variant variant = cuda::variant_of(logits, {width, stride});
  cuda::row_stats_kernel(variant, {logits.size(0), variant.threads(width, 512)}, logits, targets,
                         out.logp, out.lse, out.entropy, out.mean_logit, out.log_sum_sq, stride,
                         width);
  return out;
}

inline void row_stats_backward_cuda(const Tensor& logits, const Tensor& targets, const Tensor& lse,
                                    const Tensor& entropy, const Tensor& dlogp, const Tensor& dlse,
                                    const Tensor& dentropy, const Tensor& dmean) {
  const std::int64_t width = logits.size(1), stride = logits.stride(0);
  const cuda::Variant variant = cuda::variant_of(logits, {width, stride});
  const int threads = variant.threads(width);
  const std::int64_t tiles = variant.blocks(width, threads);
  cuda::row_stats_backward_kernel(variant, {logits.size(0) * tiles, threads}, logits, targets, lse,
                                  entropy, dlogp, dlse, dentropy, dmean, stride, width, tiles);
}

#endif

inline void check_logits(const Tensor& logits, const Tensor& targets) {
  if (logits.dim() != 2 || targets.dim() != 1 || targets.size(0) != logits.size(0) ||
      targets.scalar_type() != at::kLong) {
    raise("row_stats expected logits [n, V] and int64 targets [n], got {} and {}",
          shape_text(logits), shape_text(targets));
  }
  if (!targets.is_cpu()) return;
  const Tensor contiguous = targets.contiguous();
  const std::int64_t* target = contiguous.const_data_ptr<std::int64_t>();
  for (std::int64_t row = 0; row < contiguous.numel(); ++row) {
    if (target[row] < 0 || target[row] >= logits.size(1)) {
      raise("row_stats expected targets in [0, {}), got {} in row {}", logits.size(1), target[row],
            row);
    }
  }
}

inline std::int64_t logit_grain(const Tensor& logits) { return 1 + 16384 / logits.size(1); }

inline RowStats row_stats_generic(const Tensor& logits, const Tensor& targets, RowWanted wanted) {
  const Tensor z = logits.to(compute_type(logits));
  // Below the largest of the row, or large logits would take the last digits of the differences.
  const Tensor largest = z.amax(1), below = z - largest.unsqueeze(1);
  const Tensor lse = below.logsumexp(1);
  RowStats stats;
  stats.lse = largest + lse;
  stats.logp = below.gather(1, targets.unsqueeze(1)).squeeze(1) - lse;
  if (wanted.entropy) {
    const Tensor p = (below - lse.unsqueeze(1)).exp();
    stats.entropy = lse - (p * below).masked_fill(p == 0, 0).sum(1);
  }
  if (wanted.mean_logit) stats.mean_logit = z.mean(1);
  if (wanted.log_sum_sq) stats.log_sum_sq = (2.0 * below).logsumexp(1) - 2.0 * lse;
  return stats;
}

inline void row_stats_backward_generic(const Tensor& logits, const Tensor& targets,
                                       const RowStats& stats, const RowGrads& grads) {
  const Tensor log_p = logits.to(compute_type(logits)) - stats.lse.unsqueeze(1);
  const Tensor p = log_p.exp();
  Tensor dz = at::zeros_like(p);
  if (grads.logp.defined()) {
    dz -= p * grads.logp.unsqueeze(1);
    dz.scatter_add_(1, targets.unsqueeze(1), grads.logp.to(dz.scalar_type()).unsqueeze(1));
  }
  if (grads.lse.defined()) dz += p * grads.lse.unsqueeze(1);
  if (grads.entropy.defined()) {
    const Tensor term = p * (log_p + stats.entropy.unsqueeze(1)) * grads.entropy.unsqueeze(1);
    dz -= term.masked_fill(p == 0, 0);
  }
  if (grads.mean_logit.defined()) {
    dz += (grads.mean_logit / static_cast<double>(dz.size(1))).unsqueeze(1);
  }
  logits.copy_(dz);
}

}  // namespace detail

POSTTRAIN_INLINE RowStats row_stats(const Tensor& logits, const Tensor& targets, RowWanted wanted) {
  detail::check_logits(logits, targets);
  at::NoGradGuard no_grad;
  if (!detail::logits_take_fast_path(logits)) {
    return detail::row_stats_generic(logits, targets, wanted);
  }
  const std::int64_t rows = logits.size(0);
  const Tensor target = targets.contiguous();
  RowStats stats = detail::empty_row_stats(logits, wanted);
  POSTTRAIN_RETURN_ON_CUDA(logits.is_cuda(), detail::row_stats_cuda(logits, target, stats));
  const auto data = [](const Tensor& t) {
    return t.defined() ? t.mutable_data_ptr<float>() : nullptr;
  };
  detail::with_element_type(logits, [&](auto element) {
    using Element = decltype(element);
    const detail::LogitRows<Element> arguments{logits.const_data_ptr<Element>(),
                                               logits.stride(0),
                                               logits.size(1),
                                               target.const_data_ptr<std::int64_t>(),
                                               wanted,
                                               data(stats.logp),
                                               data(stats.lse),
                                               data(stats.entropy),
                                               data(stats.mean_logit),
                                               data(stats.log_sum_sq)};
    at::parallel_for(0, rows, detail::logit_grain(logits),
                     [&](std::int64_t begin, std::int64_t end) {
                       detail::logit_row_stats(arguments, begin, end);
                     });
  });
  return stats;
}

POSTTRAIN_INLINE void row_stats_backward_(const Tensor& logits, const Tensor& targets,
                                          const RowStats& stats, const RowGrads& grads) {
  detail::check_logits(logits, targets);
  if (grads.entropy.defined() && !stats.entropy.defined()) {
    fail(
        "row_stats_backward_ expected stats.entropy with a gradient of entropy; hint: ask "
        "row_stats for it");
  }
  at::NoGradGuard no_grad;
  if (!detail::logits_take_fast_path(logits)) {
    detail::row_stats_backward_generic(logits, targets, stats, grads);
    return;
  }
  const auto plain = [](const Tensor& t) {
    return t.defined() ? t.to(at::kFloat).contiguous() : t;
  };
  const auto data = [](const Tensor& t) {
    return t.defined() ? t.const_data_ptr<float>() : nullptr;
  };
  const Tensor target = targets.contiguous();
  const Tensor lse = plain(stats.lse), entropy = plain(stats.entropy);
  const Tensor dlogp = plain(grads.logp), dlse = plain(grads.lse);
  const Tensor dentropy = plain(grads.entropy), dmean = plain(grads.mean_logit);
  POSTTRAIN_RETURN_ON_CUDA(
      logits.is_cuda(),
      detail::row_stats_backward_cuda(logits, target, lse, entropy, dlogp, dlse, dentropy, dmean));
  detail::with_element_type(logits, [&](auto element) {
    using Element = decltype(element);
    const detail::LogitGradRows<Element> arguments{logits.mutable_data_ptr<Element>(),
                                                   logits.stride(0),
                                                   logits.size(1),
                                                   target.const_data_ptr<std::int64_t>(),
                                                   data(lse),
                                                   data(entropy),
                                                   data(dlogp),
                                                   data(dlse),
                                                   data(dentropy),
                                                   data(dmean)};
    at::parallel_for(0, logits.size(0), detail::logit_grain(logits),
                     [&](std::int64_t begin, std::int64_t end) {
                       detail::logit_row_grads(arguments, begin, end);
                     });
  });
}

}  // namespace posttrain
