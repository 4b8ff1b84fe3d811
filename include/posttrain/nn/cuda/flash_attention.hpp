// SPDX-License-Identifier: Apache-2.0
// Attention over parts by LibTorch's FlashAttention 2 (arXiv 2307.08691), which CUDA has for
// float16 and bfloat16: one call for the parts of a kind (nn/cuda/flash_plan.hpp), results merged
// by log-sum-exp. In the backward pass each call gets the merged output and log-sum-exp, which is
// exact.
#pragma once

#include <cstdint>

#include "posttrain/nn/attention_parts.hpp"
#include "posttrain/nn/attention_types.hpp"

namespace posttrain {

/// Whether the kernel takes these: CUDA, 16 bits, a head size of at most 256 that is a multiple of
/// 8, no soft cap (LibTorch's build has none).
bool takes_flash(at::Device device, at::ScalarType type, std::int64_t head_size, double softcap);
inline bool takes_flash(const Tensor& q, const AttentionOptions& options) {
  return takes_flash(q.device(), q.scalar_type(), q.size(2), options.softcap);
}

/// q [Tq, Hq, D]; k, v [Tk, Hkv, D]; no graph.
AttentionResult attention_forward_flash(const Tensor& q, const Tensor& k, const Tensor& v,
                                        const AttentionParts& parts,
                                        const AttentionOptions& options);

AttentionGradients attention_backward_flash(const Tensor& grad_out, const Tensor& q,
                                            const Tensor& k, const Tensor& v,
                                            const AttentionResult& result,
                                            const AttentionParts& parts,
                                            const AttentionOptions& options);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/cuda/impl/flash_attention.ipp"
#endif
