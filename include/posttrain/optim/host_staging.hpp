// SPDX-License-Identifier: Apache-2.0
// Updates on the host of parameters that live on another device: pieces of master and gradient go
// through two host buffers, so that an optimizer's moments can stay in host memory.
#pragma once

#include <algorithm>
#include <cstdint>

#include "posttrain/tensor/parameters.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

class HostStaging {
 public:
  /// Calls update(master, gradient, begin) with host tensors that hold the parameters from `begin`
  /// on, and copies the masters back. A group on the host is updated in place, in one call.
  template <class Update>
  void run(ParameterGroup& group, const Update& update) {
    if (group.master.is_cpu()) {
      update(group.master, group.grad, std::int64_t{0});
    } else {
      run_in_pieces(group, kPiece, update);
    }
  }

  /// `run` in pieces of at most `piece` parameters, whatever the device.
  template <class Update>
  void run_in_pieces(ParameterGroup& group, std::int64_t piece, const Update& update) {
    const std::int64_t n = group.master.numel();
    for (std::int64_t begin = 0; begin < n; begin += piece) {
      const std::int64_t size = std::min(piece, n - begin);
      Tensor master = group.master.narrow(0, begin, size);
      const Tensor host_master = filled(master_, master),
                   host_grad = filled(grad_, group.grad.narrow(0, begin, size));
      update(host_master, host_grad, begin);
      copy_up(master, host_master);
    }
  }

 private:
  // Whole blocks of every size; 64 MiB of fp32.
  static constexpr std::int64_t kPiece = std::int64_t{1} << 24;

  /// A copy of `source` in host memory, in (and of) the buffer.
  static Tensor filled(Tensor& buffer, const Tensor& source) {
    if (!buffer.defined() || buffer.numel() < source.numel() ||
        buffer.scalar_type() != source.scalar_type()) {
      // Page-locked memory is what CUDA copies fast.
      buffer = source.new_empty({source.numel()},
                                at::TensorOptions(at::kCPU).pinned_memory(source.is_cuda()));
    }
    Tensor host = buffer.narrow(0, 0, source.numel());
    copy_down(host, source);
    return host;
  }

  Tensor master_, grad_;
};

}  // namespace posttrain
