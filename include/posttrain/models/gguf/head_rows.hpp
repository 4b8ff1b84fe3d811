// SPDX-License-Identifier: Apache-2.0
// The order of a matrix's rows in GGUF files where llama.cpp rotates neighbours: rows i and i +
// half of each head lie there as a pair (models/gguf/tensors.hpp, `paired_heads`).
#pragma once

#include <cstdint>
#include <vector>

#include "posttrain/tensor/ops.hpp"

namespace posttrain::models {

/// [rows, …] from two halves of each head to pairs.
inline Tensor paired_rows(const Tensor& tensor, std::int64_t heads) {
  const std::vector<std::int64_t> shape = tensor.sizes().vec();
  return tensor.contiguous()
      .view({heads, 2, shape[0] / heads / 2, -1})
      .transpose(1, 2)
      .reshape(shape);
}

/// The other way.
inline Tensor unpaired_rows(const Tensor& tensor, std::int64_t heads) {
  const std::vector<std::int64_t> shape = tensor.sizes().vec();
  return tensor.contiguous()
      .view({heads, shape[0] / heads / 2, 2, -1})
      .transpose(1, 2)
      .reshape(shape);
}

}  // namespace posttrain::models
