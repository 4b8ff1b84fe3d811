// SPDX-License-Identifier: Apache-2.0
// Work that ranks share: each does a part of it, and all have all results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "posttrain/distributed/communicator.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// The rank of each piece of work of these costs: the dearest first, each to the rank that has the
/// least so far. A rank may have none.
std::vector<std::int64_t> owners(std::span<const double> costs, std::int64_t ranks);

/// Every rank's tensors, in the order of ranks, on the CPU. Their number, shapes and types may
/// differ between ranks; undefined ones stay undefined.
std::vector<Tensors> all_tensors(Communicator& ranks, const Tensors& own);

/// What `work(i)` gives for each piece of work of these costs, called on one rank for each. Results
/// of other ranks are on the CPU, a rank's own are as `work` gave them. Null: one rank.
/// `side_by_side`: a rank does its pieces on several threads (tensor/parallel_tasks.hpp).
std::vector<Tensors> shared_work(Communicator* ranks, std::span<const double> costs,
                                 const std::function<Tensors(std::size_t)>& work,
                                 bool side_by_side = false);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/distributed/impl/shared_work.ipp"
#endif
