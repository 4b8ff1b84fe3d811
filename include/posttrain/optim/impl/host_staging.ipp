// SPDX-License-Identifier: Apache-2.0
// Definitions of host_staging.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <optional>

#include "posttrain/base/compiled.hpp"
#include "posttrain/optim/host_staging.hpp"
#include "posttrain/tensor/host_ring.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE void update_on_host(std::vector<ParameterGroup>& groups, const HostUpdate& update,
                                     std::int64_t piece) {
  std::int64_t largest = 0;  // piece, in bytes
  for (const ParameterGroup& group : groups) {
    if (group.master.is_cpu()) continue;
    largest =
        std::max(largest, std::min(piece, group.master.numel()) * group.master.element_size());
  }
  std::optional<HostRing> ring;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const ParameterGroup& group = groups[i];
    const std::int64_t n = group.master.numel();
    if (n == 0) continue;
    if (group.master.is_cpu()) {
      update(i, group.master, group.grad, 0);
      continue;
    }
    if (!ring) ring.emplace(group.master.device(), largest);
    for (std::int64_t begin = 0; begin < n; begin += piece) {
      const std::int64_t size = std::min(piece, n - begin);
      const Tensor master = group.master.narrow(0, begin, size);
      ring->pass({master, group.grad.narrow(0, begin, size)},
                 [&update, &ring, i, begin, master](const Tensors& on_host) {
                   update(i, on_host[0], on_host[1], begin);
                   ring->send_back(master, on_host[0]);
                 });
    }
  }
  if (ring) ring->finish();
}

}  // namespace posttrain
