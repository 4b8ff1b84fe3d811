// SPDX-License-Identifier: Apache-2.0
// Definitions of dropout.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <bit>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/base/rng.hpp"
#include "posttrain/nn/cuda/philox.hpp"
#include "posttrain/nn/dropout.hpp"
#include "posttrain/nn/philox.hpp"
#include "posttrain/tensor/cuda/dispatch.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

/// What a mask is made of: an entry is kept where its random word is not below the threshold.
struct DropoutMask {
  std::uint64_t seed, key, threshold;
  float kept;  // the value of an entry that is

  /// [T, columns] fp32.
  Tensor on_host(const Tensor& rows, std::int64_t columns) const {
    const Tensor mask = at::empty({rows.size(0), columns}, at::kFloat);
    auto* out = mask.mutable_data_ptr<float>();
    const auto* keys = rows.const_data_ptr<std::int64_t>();
    at::parallel_for(0, rows.size(0), 1 + 65536 / (columns + 1),
                     [&](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t row = begin; row < end; ++row) {
                         const auto row_key = std::bit_cast<std::uint64_t>(keys[row]);
                         Philox4x32 generator(seed, mix_streams(key, row_key));
                         for (std::int64_t i = 0; i < columns; ++i) {
                           out[row * columns + i] = generator.next_u32() < threshold ? 0.0F : kept;
                         }
                       }
                     });
    return mask;
  }

  /// [T, columns] of the type of `like`, on its device, in pieces: a word takes 8 bytes there.
  Tensor on_device(const Tensor& rows, std::int64_t columns, const Tensor& like) const {
    constexpr std::int64_t kWords = std::int64_t{1} << 22;
    const std::int64_t piece =
        std::max<std::int64_t>(1, kWords / std::max<std::int64_t>(columns, 1));
    Tensor mask = at::empty({rows.size(0), columns}, like.options());
    for (std::int64_t begin = 0; begin < rows.size(0); begin += piece) {
      const std::int64_t size = std::min(piece, rows.size(0) - begin);
      const Tensor words =
          philox_words(seed, mix_streams(key, rows.narrow(0, begin, size)), columns);
      mask.narrow(0, begin, size).copy_(words >= static_cast<std::int64_t>(threshold));
    }
    return mask.mul_(kept);
  }
};

}  // namespace detail

POSTTRAIN_INLINE Tensor row_keys(const TokenBatch& batch) {
  if (batch.row_sample.defined()) return mix_streams(batch.row_sample, batch.position);
  std::vector<std::int64_t> keys(static_cast<std::size_t>(batch.tokens()));
  for (std::size_t n = 0; n < batch.nodes.size(); ++n) {
    const Segment& node = batch.nodes[n];
    for (std::int64_t row = node.begin; row < node.end; ++row) {
      keys[static_cast<std::size_t>(row)] = std::bit_cast<std::int64_t>(
          mix_streams(static_cast<std::uint64_t>(batch.node_sample[n]),
                      static_cast<std::uint64_t>(node.position + row - node.begin)));
    }
  }
  return at::tensor(keys, at::kLong);
}

POSTTRAIN_INLINE Tensor KeyedDropout::apply(const Tensor& x, int place) const {
  if (x.size(0) != rows.size(0)) {
    raise("dropout expected the {} rows of the batch, got {}", rows.size(0), x.size(0));
  }
  const std::int64_t columns = x.size(1);
  const detail::DropoutMask mask{
      seed,
      mix_streams(mix_streams(0x64726f70, static_cast<std::uint64_t>(step)),
                  static_cast<std::uint64_t>(place)),
      static_cast<std::uint64_t>(probability * 4294967296.0),
      static_cast<float>(1.0 / (1.0 - probability))};
  POSTTRAIN_RETURN_ON_CUDA(
      cuda::has_cuda_kernel(x),
      cuda::keyed_dropout(x, rows, mask.seed, mask.key, mask.threshold, mask.kept));
  if (!x.is_cpu()) return x * mask.on_device(rows, columns, x);
  return x * mask.on_host(rows, columns).to(x.options());
}

}  // namespace posttrain
