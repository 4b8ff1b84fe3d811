// SPDX-License-Identifier: Apache-2.0
// Hashes of tensors, to tell equal from different (base/hash.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "posttrain/base/hash.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

/// Adds a type and a shape, which come before a tensor's values.
inline void add_form(ContentHash& hash, at::ScalarType type, std::span<const std::int64_t> shape) {
  hash.add(static_cast<std::uint64_t>(type));
  hash.add(static_cast<std::uint64_t>(shape.size()));
  for (const std::int64_t size : shape) hash.add(static_cast<std::uint64_t>(size));
}

/// Adds the type, shape and values (as bytes) of a tensor that lies wherever.
inline void add_content(ContentHash& hash, at::ScalarType type, std::span<const std::int64_t> shape,
                        std::span<const std::byte> values) {
  add_form(hash, type, shape);
  hash.add(values);
}

/// Adds a tensor's type, shape and values; one of another device is copied to the host.
inline void add_content(ContentHash& hash, const Tensor& tensor) {
  const Tensor plain = tensor.detach().to(at::kCPU).contiguous();
  add_content(hash, plain.scalar_type(), plain.sizes().vec(),
              std::span(static_cast<const std::byte*>(plain.const_data_ptr()), plain.nbytes()));
}

/// Adds a tensor and its name.
inline void add_content(ContentHash& hash, const NamedTensor& tensor) {
  hash.add(tensor.name);
  add_content(hash, tensor.value);
}

}  // namespace posttrain
