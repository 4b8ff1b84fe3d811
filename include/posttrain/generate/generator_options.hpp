// SPDX-License-Identifier: Apache-2.0
// How a generator works, as opposed to what it draws (generate/sampling.hpp): none of this changes
// a sample, but for rounding.
#pragma once

#include <cstdint>

#include "posttrain/base/error.hpp"

namespace posttrain {

struct GeneratorOptions {
  std::int64_t max_live = 64;        // samples that are written at the same time
  std::int64_t max_cache_bytes = 0;  // keys and values; 0: no limit
  std::int64_t prompt_chunk = 8192;  // prompt tokens that one step reads beside the samples
  /// Memory of prefixes that no request uses any more, kept for those that begin alike: system
  /// prompts, turns of a conversation.
  std::int64_t idle_cache_bytes = 0;
  /// Speculation: guesses follow a place where the latest so many ids stood before, in the sample
  /// or in a finished one of its group. 0: off. Samples stay the same.
  std::int64_t draft_ngrams = 0;
  std::int64_t draft_tokens = 8;  // the most guesses at a time
  /// On a GPU: for how many tokens the host does not look at what was drawn, where nothing depends
  /// on it (no penalties, processors, guesses, waiting requests). What a sample has beyond its end
  /// is cut off: samples stay the same.
  std::int64_t sync_every = 1;
  /// Whether matrices are packed for products of few rows (nn/packed_matrices.hpp): as much memory
  /// as the weights have, until `clear` or the next published weights.
  bool pack_weights = true;
  /// A row's numbers are the same to the bit at any slot and beside any other rows, and those that
  /// training's forward pass gives under PackedMatrices of RowBlocks::fixed (docs/generation.md).
  bool exact = false;

  constexpr void validate() const {
    if (max_live < 1) fail("posttrain: GeneratorOptions.max_live must be at least 1");
    if (max_cache_bytes < 0)
      fail("posttrain: GeneratorOptions.max_cache_bytes must not be negative");
    if (prompt_chunk < 1) fail("posttrain: GeneratorOptions.prompt_chunk must be at least 1");
    if (idle_cache_bytes < 0) {
      fail("posttrain: GeneratorOptions.idle_cache_bytes must not be negative");
    }
    if (draft_ngrams < 0) fail("posttrain: GeneratorOptions.draft_ngrams must not be negative");
    if (draft_tokens < 1) fail("posttrain: GeneratorOptions.draft_tokens must be at least 1");
    if (sync_every < 1) fail("posttrain: GeneratorOptions.sync_every must be at least 1");
    if (exact && !pack_weights) {
      fail("posttrain: GeneratorOptions.exact needs pack_weights = true");
    }
  }
};

}  // namespace posttrain
