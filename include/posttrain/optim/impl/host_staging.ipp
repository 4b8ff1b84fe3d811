// SPDX-License-Identifier: Apache-2.0
// Definitions of host_staging.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/optim/host_staging.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE Tensor HostStaging::filled(Tensor& buffer, const Tensor& source) {
  if (!buffer.defined() || buffer.numel() < source.numel() ||
      buffer.scalar_type() != source.scalar_type()) {
    // Page-locked memory is what CUDA copies fast.
    buffer = at::empty({source.numel()},
                       at::TensorOptions(source.scalar_type()).pinned_memory(source.is_cuda()));
  }
  Tensor host = buffer.narrow(0, 0, source.numel());
  return host.copy_(source);
}

}  // namespace posttrain
