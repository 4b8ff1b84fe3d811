// SPDX-License-Identifier: Apache-2.0
// Statistics of rows of logits on CUDA, and their one backward (nn/cpu/softmax_rows.hpp has the
// formulas): each row is read once, sums are kept below the largest logit so far (online softmax,
// arXiv 1805.02867).
#pragma once

#ifndef POSTTRAIN_NO_CUDA

#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::cuda {

// clang-format off
POSTTRAIN_DEVICE_CODE(
    kSoftmaxRowsCode,
    PT_FN float nothing() { return float_of_bits(0xff800000U); }  // −∞

    // One block for each row; entropy, mean and log_sum_sq may be null.
    PT_KERNEL void row_stats(const Element* z, const long long* targets, float* logp, float* lse,
                             float* entropy, float* mean, float* log_sum_sq, long long stride,
                             long long width) {
      const long long row = PT_BLOCK;
      const Element* from = z + row * stride;
      float largest = nothing();
      float exps = 0.0F;
      float weighted = 0.0F;
      float squares = 0.0F;
      float total = 0.0F;
      for (long long i = PT_THREAD * V; i < width; i += PT_THREADS * V) {
        const Floats values = load(from, i);
        float top = largest;
        for (int k = 0; k < V; ++k) top = larger(top, values.at[k]);
        if (top > largest) {
          const float scale = expf(largest - top);
          weighted = exps > 0.0F ? (weighted + (largest - top) * exps) * scale : 0.0F;
          exps *= scale;
          squares *= scale * scale;
          largest = top;
        }
        for (int k = 0; k < V; ++k) {
          const bool none = values.at[k] == nothing();
          const float shifted = none ? -100.0F : values.at[k] - largest;
          const float e = none ? 0.0F : expf(shifted);
          exps += e;
          weighted += e * larger(shifted, -100.0F);  // e is 0 there
          squares += e * e;
          total += values.at[k];
        }
      }
      const float top = block_max(largest);
      const double scale = largest == nothing() ? 0.0 : static_cast<double>(expf(largest - top));
      const double all = block_sum(exps * scale);
      const double log_all = log(all);
      if (entropy != nullptr) {
        const double below = largest == nothing() ? 0.0 : static_cast<double>(largest - top);
        const double shifted = block_sum((weighted + below * exps) * scale);
        if (PT_THREAD == 0) entropy[row] = static_cast<float>(log_all - shifted / all);
      }
      if (mean != nullptr) {
        const double sum = block_sum(static_cast<double>(total));
        if (PT_THREAD == 0) mean[row] = static_cast<float>(sum / static_cast<double>(width));
      }
      if (log_sum_sq != nullptr) {
        const double sum = block_sum(squares * scale * scale);
        if (PT_THREAD == 0) log_sum_sq[row] = static_cast<float>(log(sum) - 2.0 * log_all);
      }
      if (PT_THREAD == 0) {
        // Not target − lse: that would round twice at the size of lse.
        const double target = static_cast<double>(to_float(from[targets[row]]));
        lse[row] = static_cast<float>(top + log_all);
        logp[row] = static_cast<float>(target - top - log_all);
      }
    }

    // Overwrites z by its gradient; upstream gradients that are null are zero.
    PT_KERNEL void row_stats_backward(Element* z, const long long* targets, const float* lse,
                                      const float* entropy, const float* dlogp, const float* dlse,
                                      const float* dentropy, const float* dmean, long long stride,
                                      long long width, long long tiles) {
      const long long row = PT_BLOCK / tiles;
      const long long i = (PT_BLOCK % tiles * PT_THREADS + PT_THREAD) * V;
      if (i >= width) return;
      const float of_target = dlogp != nullptr ? dlogp[row] : 0.0F;
      const float linear = (dlse != nullptr ? dlse[row] : 0.0F) - of_target;
      const float constant = dmean != nullptr ? dmean[row] / static_cast<float>(width) : 0.0F;
      const float c = dentropy != nullptr ? dentropy[row] : 0.0F;
      const float mean_log = c != 0.0F ? entropy[row] : 0.0F;
      const long long target = targets[row];
      Floats values = load(z + row * stride, i);
      for (int k = 0; k < V; ++k) {
        const float log_p = values.at[k] - lse[row];
        float slope = linear;
        if (c != 0.0F) slope -= c * (larger(log_p, -100.0F) + mean_log);
        const bool flat = c == 0.0F && linear == 0.0F;
        values.at[k] = (flat ? 0.0F : expf(log_p) * slope) + constant +
                       (i + k == target ? of_target : 0.0F);
      }
      store(z + row * stride, i, values);
    })
// clang-format on

inline constexpr DeviceProgram kSoftmaxRows{"softmax_rows", kSoftmaxRowsCode};
inline constexpr Kernel<Data, Data, Data, Data, Data, Data, Data, std::int64_t, std::int64_t>
    row_stats_kernel{&kSoftmaxRows, "row_stats"};
inline constexpr Kernel<Data, Data, Data, Data, Data, Data, Data, Data, std::int64_t, std::int64_t,
                        std::int64_t>
    row_stats_backward_kernel{&kSoftmaxRows, "row_stats_backward"};

}  // namespace posttrain::cuda

#endif
