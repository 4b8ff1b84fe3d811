// SPDX-License-Identifier: Apache-2.0
// Definitions of packing.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <bit>
#include <numeric>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/data/pipeline/packing.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE void check_lengths(std::span<const std::int64_t> lengths,
                                    std::int64_t max_tokens) {
  if (max_tokens < 1) raise("max_tokens_per_batch must be at least 1, got {}", max_tokens);
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] < 1 || lengths[i] > max_tokens) {
      raise(
          "sequence {} has {} tokens, expected 1 to max_tokens_per_batch = {}; hint: raise "
          "max_tokens_per_batch or set max_seq_len",
          i, lengths[i], max_tokens);
    }
  }
}

POSTTRAIN_INLINE Packs FirstFitDecreasing::pack(std::span<const std::int64_t> lengths,
                                                std::int64_t max_tokens) const {
  check_lengths(lengths, max_tokens);
  std::vector<std::int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    const std::int64_t a_length = lengths[static_cast<std::size_t>(a)];
    const std::int64_t b_length = lengths[static_cast<std::size_t>(b)];
    return a_length != b_length ? a_length > b_length : a < b;
  });

  // A tree of maxima over the room left in each of the at most n bins finds the first that fits.
  const std::size_t leaves = std::bit_ceil(std::max<std::size_t>(lengths.size(), 1));
  std::vector<std::int64_t> room(2 * leaves, max_tokens);
  Packs packs;
  for (const std::int64_t index : order) {
    const std::int64_t length = lengths[static_cast<std::size_t>(index)];
    std::size_t node = 1;
    while (node < leaves) node = 2 * node + (room[2 * node] < length ? 1 : 0);
    const std::size_t bin = node - leaves;
    if (bin >= packs.size()) packs.resize(bin + 1);
    packs[bin].push_back(index);
    room[node] -= length;
    while (node > 1) {
      node /= 2;
      room[node] = std::max(room[2 * node], room[2 * node + 1]);
    }
  }
  return packs;
}

POSTTRAIN_INLINE Packs NoPacking::pack(std::span<const std::int64_t> lengths,
                                       std::int64_t max_tokens) const {
  check_lengths(lengths, max_tokens);
  Packs packs(lengths.size());
  for (std::size_t i = 0; i < packs.size(); ++i) packs[i] = {static_cast<std::int64_t>(i)};
  return packs;
}

}  // namespace posttrain::data
