// SPDX-License-Identifier: Apache-2.0
// Definitions of host_parts.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <optional>

#include "posttrain/base/compiled.hpp"
#include "posttrain/tensor/host_parts.hpp"
#include "posttrain/tensor/host_ring.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

inline std::span<const std::byte> bytes_of(const Tensor& on_host) {
  return {static_cast<const std::byte*>(on_host.const_data_ptr()), on_host.nbytes()};
}

}  // namespace detail

POSTTRAIN_INLINE void for_each_part(std::size_t count, const TensorSource& source,
                                    std::int64_t largest, const PartUse& use, std::int64_t part) {
  at::NoGradGuard no_grad;
  std::optional<HostRing> ring;
  for (std::size_t i = 0; i < count; ++i) {
    const Tensor tensor = source(i).detach().contiguous();
    const auto size = static_cast<std::int64_t>(tensor.nbytes());
    if (tensor.is_cpu() || size == 0) {
      if (ring) ring->finish();
      use(i, 0, size == 0 ? std::span<const std::byte>() : detail::bytes_of(tensor));
      continue;
    }
    if (!ring) ring.emplace(tensor.device(), std::min(part, largest));
    const Tensor bytes = tensor.view({-1}).view(at::kByte);
    for (std::int64_t begin = 0; begin < size; begin += part) {
      ring->pass({bytes.narrow(0, begin, std::min(part, size - begin))},
                 [&use, i, begin](const Tensors& on_host) {
                   use(i, begin, detail::bytes_of(on_host.front()));
                 });
    }
  }
  if (ring) ring->finish();
}

}  // namespace posttrain
