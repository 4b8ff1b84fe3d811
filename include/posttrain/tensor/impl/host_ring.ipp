// SPDX-License-Identifier: Apache-2.0
// Definitions of host_ring.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <c10/core/StreamGuard.h>

#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/tensor/host_ring.hpp"
#include "posttrain/tensor/impl/transfer.ipp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE HostRing::HostRing(at::Device device, std::int64_t bytes)
    : device_(device), bytes_(bytes), copies_(device), slots_{Slot(device), Slot(device)} {}

POSTTRAIN_INLINE void HostRing::pass(const Tensors& set, Use use) {
  Slot& slot = slots_[next_];
  slot.set = set;
  slot.on_host.clear();
  copies_.follow();
  {
    const c10::StreamGuard on_copies(copies_.stream());
    for (std::size_t i = 0; i < set.size(); ++i) {
      const Tensor& from = set[i];
      const auto bytes = static_cast<std::int64_t>(from.nbytes());
      if (from.device() != device_ || bytes > bytes_) {
        raise("expected a tensor of at most {} bytes on {} to pass through the host, got {} on {}",
              bytes_, device_.str(), bytes, from.device().str());
      }
      if (slot.blocks.size() == i) {
        slot.blocks.push_back(
            at::empty({bytes_}, at::TensorOptions(at::kByte).pinned_memory(true)));
      }
      slot.on_host.push_back(
          slot.blocks[i].narrow(0, 0, bytes).view(from.scalar_type()).view(from.sizes()));
      slot.on_host.back().copy_(from, /*non_blocking=*/true);
    }
    slot.came.record(copies_.stream());
  }
  finish();
  waiting_ = std::move(use);
  next_ = 1 - next_;
}

POSTTRAIN_INLINE void HostRing::finish() {
  if (!waiting_) return;
  const Use use = std::exchange(waiting_, nullptr);
  // The slot that was filled before the next one to fill; `pass` calls before it turns the ring.
  Slot& slot = slots_[1 - next_];
  slot.came.synchronize();
  detail::TransferCounters::get().reads += 1;
  slot.set.clear();
  use(slot.on_host);
}

POSTTRAIN_INLINE void HostRing::send_back(const Tensor& on_device, const Tensor& on_host) {
  {
    const c10::StreamGuard on_copies(copies_.stream());
    on_device.copy_(on_host, /*non_blocking=*/true);
  }
  detail::TransferCounters::get().uploads += 1;
  copies_.lead();
}

}  // namespace posttrain
