// SPDX-License-Identifier: Apache-2.0
// Collective operations between GPUs by NVIDIA's NCCL, one rank for each GPU; what lies on the host
// goes the way of another communicator (PyTorch's "cpu:gloo,cuda:nccl").
//
// An operation waits for what the current stream has under way, runs on a stream of its own, and
// the stream that is current at `wait` waits for it: the host waits for nothing. Where a rank is
// gone, or NCCL says that an operation failed, the operations under way are ended, so that the host
// gets to know of it.
#pragma once

#include <memory>

#include "posttrain/distributed/communicator.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// Connects the GPUs of all ranks of `host`, whose operations are on the host's memory. `device`:
/// this rank's. Throws where libnccl.so.2 is missing, where ranks have different versions of it,
/// and where two ranks have one GPU.
std::unique_ptr<Communicator> nccl_communicator(std::unique_ptr<Communicator> host,
                                                at::Device device);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/distributed/impl/nccl.ipp"
#endif
