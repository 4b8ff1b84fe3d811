// SPDX-License-Identifier: Apache-2.0
// Definitions of token_stream.hpp: part of it, or of the compiled library (core/compiled.hpp).
#pragma once

#include "posttrain/core/compiled.hpp"
#include "posttrain/core/error.hpp"
#include "posttrain/data/token_stream.hpp"
#include "posttrain/tensor/batch.hpp"

namespace posttrain::data::detail {

POSTTRAIN_INLINE std::vector<std::int64_t> sequence_lengths(
    const std::vector<Sequence>& sequences) {
  std::vector<std::int64_t> all;
  for (const Sequence& sequence : sequences) {
    all.push_back(static_cast<std::int64_t>(sequence.ids.size()));
  }
  return all;
}

POSTTRAIN_INLINE void check_token_ids(const std::vector<Sequence>& sequences,
                                      std::int64_t vocab_size) {
  if (vocab_size <= 0) return;
  for (const Sequence& sequence : sequences) {
    for (const TokenId id : sequence.ids) {
      if (id < 0 || id >= vocab_size) {
        raise(
            "sample {}: expected token ids below the model's vocabulary of {}, got {}; hint: "
            "does "
            "the tokenizer belong to this model?",
            sequence.sample, vocab_size, id);
      }
    }
  }
}

POSTTRAIN_INLINE std::vector<TokenBatch> make_batches(const Packs& packs,
                                                      const std::vector<Sequence>& from) {
  std::vector<TokenBatch> result;
  for (const auto& pack : packs) {
    std::vector<const Sequence*> chosen;
    for (const std::int64_t index : pack) chosen.push_back(&from[static_cast<std::size_t>(index)]);
    result.push_back(pack_sequences(chosen));
  }
  return result;
}

}  // namespace posttrain::data::detail
