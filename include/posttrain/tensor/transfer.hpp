// SPDX-License-Identifier: Apache-2.0
// What passes between the host and a device: few copies, all of them here, and counted.
//
// A copy to the device does not wait for it (the memory that it comes from is page-locked and kept
// until the copy is done); a read does. On the CPU there is nothing to copy, and nothing counts.
// Tensors that the host works on one after another go through host_ring.hpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "posttrain/tensor/device.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// Copies of this process so far.
struct TransferCounts {
  std::int64_t uploads = 0;  // host → device
  std::int64_t reads = 0;    // device → host, each of which waits for the device
};
TransferCounts transfer_counts();

/// Replaces host tensors by copies on `device`, all in one copy. Undefined tensors, and those that
/// are there already, stay as they are.
void upload_together(std::span<Tensor* const> tensors, at::Device device);

/// One tensor likewise.
Tensor uploaded(const Tensor& tensor, at::Device device);

/// A copy into a tensor that is there already; it waits, and counts as a read.
void copy_down(const Tensor& on_host, const Tensor& on_device);

/// Numbers, each a tensor of one element on whatever device, in double: one read for all.
std::vector<double> read_numbers(const Tensors& numbers);

/// A table of constants on a device, [n] fp32: copied there at its first use and kept for the
/// process, under its content.
Tensor device_constant(std::span<const float> values, at::Device device);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/tensor/impl/transfer.ipp"
#endif
