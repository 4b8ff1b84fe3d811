// SPDX-License-Identifier: Apache-2.0
// Definitions of rotations.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/batch/forest.hpp"
#include "posttrain/models/config.hpp"
#include "posttrain/models/rotations.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain::models {

POSTTRAIN_INLINE TokenPositions positions_of(const std::vector<Segment>& nodes) {
  TokenPositions result{token_positions(nodes), {}};
  const std::vector<std::int64_t> lengths = tree_lengths(nodes);
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    result.length.insert(result.length.end(), nodes[n].end - nodes[n].begin, lengths[n]);
  }
  return result;
}

namespace detail {

/// Cosines and sines on the host, one by one.
inline Rotation rotation_on_host(const RopeSpec& spec, const TokenPositions& at) {
  const auto rows = static_cast<std::int64_t>(at.position.size());
  const auto half = static_cast<std::int64_t>(spec.inv_freq.size());
  Rotation result{at::empty({rows, half}, at::kFloat), at::empty({rows, half}, at::kFloat)};
  float* cos = result.cos.data_ptr<float>();
  float* sin = result.sin.data_ptr<float>();
  std::map<std::int64_t, std::vector<float>> by_length;
  const auto factor = static_cast<float>(spec.attention_factor);
  for (std::int64_t t = 0; t < rows; ++t) {
    const std::vector<float>* frequencies = &spec.inv_freq;
    if (spec.dynamic) {
      auto& cached = by_length[at.length[t]];
      if (cached.empty()) cached = spec.at_length(at.length[t]);
      frequencies = &cached;
    }
    const auto position = static_cast<float>(at.position[t]);
    for (std::int64_t i = 0; i < half; ++i) {
      const float angle = position * (*frequencies)[i];
      cos[t * half + i] = std::cos(angle) * factor;
      sin[t * half + i] = std::sin(angle) * factor;
    }
  }
  return result;
}

}  // namespace detail

POSTTRAIN_INLINE std::int64_t rope_regime(const std::vector<RopeSpec>& ropes, std::int64_t length) {
  std::int64_t regime = 0;
  for (const RopeSpec& spec : ropes) {
    if (!spec.dynamic || length <= spec.original_length) continue;
    regime = std::max(regime, spec.long_inv_freq.empty() ? length : spec.original_length + 1);
  }
  return regime;
}

POSTTRAIN_INLINE Rotation rotation(const RopeSpec& spec, const TokenPositions& at,
                                   at::Device device) {
  if (device.is_cpu() || spec.dynamic || !at.on_device.defined()) {
    Rotation result = detail::rotation_on_host(spec, at);
    Tensor* const both[] = {&result.cos, &result.sin};
    upload_together(both, device);
    return result;
  }
  const Tensor frequencies = device_constant(spec.inv_freq, device);
  const Tensor angles = at.on_device.to(at::kFloat).unsqueeze(1) * frequencies;
  return {at::cos(angles) * spec.attention_factor, at::sin(angles) * spec.attention_factor};
}

}  // namespace posttrain::models
