// SPDX-License-Identifier: Apache-2.0
// Query, key and value heads as views of one fused projection.
#pragma once

#include <array>
#include <cstdint>

#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// qkv [T, (Hq + 2 Hkv) · D] → q [T, Hq, D], k and v [T, Hkv, D], views of the same memory. At most
/// one concatenation in the backward pass instead of autograd's three zero-padded buffers.
std::array<Tensor, 3> split_heads(const Tensor& qkv, std::int64_t q_heads, std::int64_t kv_heads,
                                  std::int64_t head_dim);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/nn/impl/heads.ipp"
#endif
