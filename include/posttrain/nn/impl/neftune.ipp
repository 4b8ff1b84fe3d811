// SPDX-License-Identifier: Apache-2.0
// Definitions of neftune.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/rng.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/nn/cuda/philox.hpp"
#include "posttrain/nn/neftune.hpp"
#include "posttrain/nn/philox.hpp"
#include "posttrain/tensor/cuda/dispatch.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

namespace detail {

/// Of each row: its stream of random numbers, and the bound of its noise, 0 for virtual tokens.
struct NoiseRows {
  Tensor stream, bound;  // [T] int64, [T] fp64

  NoiseRows(const TokenBatch& batch, std::int64_t columns, const NefTune& options) {
    const std::uint64_t key = mix_streams(0x6e656674, static_cast<std::uint64_t>(options.step));
    if (batch.row_sample.defined()) {
      stream =
          mix_streams(mix_streams(key, batch.row_sample), batch.position - batch.virtual_tokens);
      const Tensor length = batch.row_length * columns;
      const Tensor alpha = at::full({}, options.alpha, length.options().dtype(at::kDouble));
      bound = (alpha / length.to(at::kDouble).sqrt()).masked_fill(length == 0, 0.0);
      return;
    }
    stream = at::zeros({batch.tokens()}, at::kLong);
    bound = at::zeros({batch.tokens()}, at::kDouble);
    const std::vector<std::int64_t> lengths = real_lengths(batch);
    auto* streams = stream.mutable_data_ptr<std::int64_t>();
    auto* bounds = bound.mutable_data_ptr<double>();
    for (std::size_t n = 0; n < batch.nodes.size(); ++n) {
      const Segment& node = batch.nodes[n];
      if (lengths[n] == 0) continue;
      const std::uint64_t of_sample =
          mix_streams(key, static_cast<std::uint64_t>(batch.node_sample[n]));
      for (std::int64_t row = node.begin; row < node.end; ++row) {
        const auto position =
            static_cast<std::uint64_t>(node.position - batch.virtual_tokens + row - node.begin);
        streams[row] = std::bit_cast<std::int64_t>(mix_streams(of_sample, position));
        bounds[row] = options.alpha / std::sqrt(static_cast<double>(lengths[n] * columns));
      }
    }
  }
};

inline Tensor noise_on_host(const NoiseRows& rows, std::int64_t columns, std::uint64_t seed) {
  const std::int64_t count = rows.stream.size(0);
  const Tensor noise = at::empty({count, columns}, at::kFloat);
  auto* out = noise.mutable_data_ptr<float>();
  const auto* streams = rows.stream.const_data_ptr<std::int64_t>();
  const auto* bounds = rows.bound.const_data_ptr<double>();
  at::parallel_for(0, count, 1 + 65536 / (columns + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      Philox4x32 generator(seed, std::bit_cast<std::uint64_t>(streams[row]));
      for (std::int64_t i = 0; i < columns; ++i) {
        const double drawn = 2.0 * generator.uniform() - 1.0;
        out[row * columns + i] = static_cast<float>(drawn * bounds[row]);
      }
    }
  });
  return noise;
}

/// For x; in pieces: a number takes 24 bytes on its way.
inline Tensor noise_on_device(NoiseRows rows, const Tensor& x, std::uint64_t seed) {
  constexpr std::int64_t kNumbers = std::int64_t{1} << 21;
  const std::int64_t columns = x.size(1);
  Tensor* const both[] = {&rows.stream, &rows.bound};
  upload_together(both, x.device());
  POSTTRAIN_RETURN_ON_CUDA(cuda::has_cuda_kernel(x),
                           cuda::uniform_noise(x, rows.stream, rows.bound, seed));
  const std::int64_t count = rows.stream.size(0);
  const std::int64_t piece = std::max<std::int64_t>(1, kNumbers / columns);
  Tensor noise = at::empty({count, columns}, rows.bound.options().dtype(at::kFloat));
  for (std::int64_t begin = 0; begin < count; begin += piece) {
    const std::int64_t size = std::min(piece, count - begin);
    // Philox4x32::uniform: 53 bits of two words.
    const Tensor words = philox_words(seed, rows.stream.narrow(0, begin, size), 2 * columns)
                             .view({size, columns, 2});
    const Tensor bits =
        words.select(2, 0).bitwise_right_shift(11) + words.select(2, 1).bitwise_left_shift(21);
    const Tensor drawn = bits.to(at::kDouble) * 0x1.0p-52 - 1.0;
    noise.narrow(0, begin, size).copy_(drawn * rows.bound.narrow(0, begin, size).unsqueeze(1));
  }
  return noise;
}

}  // namespace detail

POSTTRAIN_INLINE Tensor add_neftune_noise(const Tensor& x, const TokenBatch& batch,
                                          const NefTune& options) {
  const std::int64_t columns = x.size(1);
  const detail::NoiseRows rows(batch, columns, options);
  const Tensor noise = x.is_cpu() ? detail::noise_on_host(rows, columns, options.seed)
                                  : detail::noise_on_device(rows, x.detach(), options.seed);
  return x + noise.to(x.scalar_type());
}

}  // namespace posttrain
