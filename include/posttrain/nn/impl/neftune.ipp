// SPDX-License-Identifier: Apache-2.0
// Definitions of neftune.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <cmath>
#include <cstdint>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/rng.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/nn/neftune.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE Tensor add_neftune_noise(const Tensor& x, const TokenBatch& batch,
                                          const NefTune& options) {
  const std::int64_t d = x.size(1);
  Tensor noise = at::zeros({x.size(0), d}, at::kFloat);
  float* out = noise.data_ptr<float>();
  std::vector<Segment> nodes;  // without those of virtual tokens
  std::vector<std::int64_t> samples;
  for (std::size_t n = 0; n < batch.nodes.size(); ++n) {
    if (batch.nodes[n].position < batch.virtual_tokens) continue;
    nodes.push_back(batch.nodes[n]);
    nodes.back().position -= batch.virtual_tokens;
    samples.push_back(batch.node_sample[n]);
  }
  const std::vector<std::int64_t> lengths = tree_lengths(nodes);
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    const Segment& node = nodes[n];
    const double bound = options.alpha / std::sqrt(static_cast<double>(lengths[n] * d));
    const std::uint64_t key =
        mix_streams(mix_streams(0x6e656674, static_cast<std::uint64_t>(options.step)),
                    static_cast<std::uint64_t>(samples[n]));
    for (std::int64_t row = node.begin; row < node.end; ++row) {
      const auto position = static_cast<std::uint64_t>(node.position + row - node.begin);
      Philox4x32 generator(options.seed, mix_streams(key, position));
      for (std::int64_t i = 0; i < d; ++i) {
        out[row * d + i] = static_cast<float>((2.0 * generator.uniform() - 1.0) * bound);
      }
    }
  }
  return x + noise.to(x.options());
}

}  // namespace posttrain
