// SPDX-License-Identifier: Apache-2.0
// Definitions of dropout.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/nn/dropout.hpp"

namespace posttrain {

POSTTRAIN_INLINE Tensor KeyedDropout::apply(const Tensor& x, int place) const {
  if (x.size(0) != static_cast<std::int64_t>(rows->size())) {
    raise("dropout expected the {} rows of the batch, got {}", rows->size(), x.size(0));
  }
  const std::int64_t columns = x.size(1);
  Tensor mask = at::empty({x.size(0), columns}, at::kFloat);
  float* out = mask.data_ptr<float>();
  const auto threshold = static_cast<std::uint64_t>(probability * 4294967296.0);
  const auto kept = static_cast<float>(1.0 / (1.0 - probability));
  const std::uint64_t key = mix_streams(mix_streams(0x64726f70, static_cast<std::uint64_t>(step)),
                                        static_cast<std::uint64_t>(place));
  at::parallel_for(
      0, x.size(0), 1 + 65536 / (columns + 1), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
          Philox4x32 generator(seed, mix_streams(key, (*rows)[static_cast<std::size_t>(row)]));
          for (std::int64_t i = 0; i < columns; ++i) {
            out[row * columns + i] = generator.next_u32() < threshold ? 0.0F : kept;
          }
        }
      });
  return x * mask.to(x.options());
}

}  // namespace posttrain
