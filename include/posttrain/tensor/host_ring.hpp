// SPDX-License-Identifier: Apache-2.0
// Tensors of a device that the host works on one after another, through two sets of page-locked
// blocks: while the host works on one, the next comes over and what was changed goes back.
//
// All copies are on a stream of their own. It waits for what the caller's stream had to do when a
// copy was asked for, and the caller's stream waits for what goes back; the host waits once for
// each set that comes over. On one stream a set's blocks cannot be filled again before their old
// content has gone back.
#pragma once

#include <c10/core/Event.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "posttrain/tensor/side_stream.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

class HostRing {
 public:
  using Use = std::function<void(const Tensors& on_host)>;

  /// For contiguous tensors of `device`, which is not the CPU, of at most `bytes` each. Host memory
  /// is taken as it is needed: `bytes` for each tensor of a set, twice from the second set on.
  HostRing(at::Device device, std::int64_t bytes);

  /// Begins to copy a set of tensors, then calls the `use` of the set before. `use` gets copies of
  /// the set's types and shapes, which are its own until it returns; it may send them back. One
  /// read (tensor/transfer.hpp).
  void pass(const Tensors& set, Use use);

  /// Calls the `use` of the last set.
  void finish();

  /// Begins to copy what `use` got back to the device. One upload.
  void send_back(const Tensor& on_device, const Tensor& on_host);

 private:
  struct Slot {
    explicit Slot(at::Device device) : came(device.type()) {}
    Tensors blocks;   // of host memory
    Tensors set;      // kept until they are copied
    Tensors on_host;  // their copies, in the blocks
    c10::Event came;
  };

  at::Device device_;
  std::int64_t bytes_;
  SideStream copies_;
  std::array<Slot, 2> slots_;
  std::size_t next_ = 0;
  Use waiting_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/tensor/impl/host_ring.ipp"
#endif
