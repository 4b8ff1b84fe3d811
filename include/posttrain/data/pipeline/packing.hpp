// SPDX-License-Identifier: Apache-2.0
// Packers: how the sequences of an optimizer step are put into micro-batches of bounded tokens.
//
// A packer is a policy with `pack(lengths, max_tokens)`: groups of indices into `lengths`, each
// index once, each group's lengths adding up to at most `max_tokens`. Packing changes speed and
// memory only: packed sequences do not see each other, and losses are normalised over the step.
// First fit decreasing needs at most 11/9 of the optimal number of bins + 6/9 (Dósa 2007).
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"

namespace posttrain::data {

using Packs = std::vector<std::vector<std::int64_t>>;

/// Throws unless every sequence has a length from 1 to `max_tokens`.
void check_lengths(std::span<const std::int64_t> lengths, std::int64_t max_tokens);

/// Longest first, each into the first micro-batch that still has room. O(n log n); equal lengths
/// keep their order, so the result depends on nothing but the lengths.
struct FirstFitDecreasing {
  Packs pack(std::span<const std::int64_t> lengths, std::int64_t max_tokens) const;
};

/// Every sequence is a micro-batch of its own.
struct NoPacking {
  Packs pack(std::span<const std::int64_t> lengths, std::int64_t max_tokens) const;
};

/// The packs of a step that `ranks` processes share: as many for each of them as there would have
/// to be anyway, or one, and as even as the packer makes them.
template <class Packer>
Packs pack_for_ranks(const Packer& packer, std::span<const std::int64_t> lengths,
                     std::int64_t max_tokens, std::int64_t ranks) {
  Packs packs = packer.pack(lengths, max_tokens);
  if (ranks <= 1 || packs.empty()) return packs;
  const std::int64_t rounds = (std::ssize(packs) + ranks - 1) / ranks;
  std::int64_t longest = 1, total = 0;
  for (const std::int64_t length : lengths) longest = std::max(longest, length), total += length;
  // The least bound on a pack's tokens that still gives so few packs.
  std::int64_t least = std::max(longest, total / (rounds * ranks)), most = max_tokens;
  while (least < most) {
    const std::int64_t bound = least + (most - least) / 2;
    Packs tried = packer.pack(lengths, bound);
    if (std::ssize(tried) <= rounds * ranks) {
      packs = std::move(tried);
      most = bound;
    } else {
      least = bound + 1;
    }
  }
  return packs;
}

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/pipeline/impl/packing.ipp"
#endif
