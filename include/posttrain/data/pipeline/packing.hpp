// SPDX-License-Identifier: Apache-2.0
// Packers: how the sequences of an optimizer step are put into micro-batches of bounded tokens.
//
// A packer is a policy with `pack(lengths, max_tokens)`: groups of indices into `lengths`, each
// index once, each group's lengths adding up to at most `max_tokens`. Packing changes speed and
// memory only: packed sequences do not see each other, and losses are normalised over the step.
// First fit decreasing needs at most 11/9 of the optimal number of bins + 6/9 (Dósa 2007).
#pragma once

#include <cstdint>
#include <span>
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

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/pipeline/impl/packing.ipp"
#endif
