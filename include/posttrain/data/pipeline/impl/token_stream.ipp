// SPDX-License-Identifier: Apache-2.0
// Definitions of token_stream.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/data/pipeline/token_stream.hpp"

namespace posttrain::data::detail {

POSTTRAIN_INLINE std::vector<std::int64_t> sequence_lengths(const SequenceStore& sequences) {
  std::vector<std::int64_t> all(sequences.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = sequences.length(i);
  return all;
}

POSTTRAIN_INLINE void check_token_ids(const TokenIds& ids, std::int64_t sample,
                                      std::int64_t vocab_size) {
  if (vocab_size <= 0) return;
  for (const TokenId id : ids) {
    if (id >= 0 && id < vocab_size) continue;
    raise(
        "sample {}: expected token ids below the model's vocabulary of {}, got {}; hint: does the "
        "tokenizer belong to this model?",
        sample, vocab_size, id);
  }
}

POSTTRAIN_INLINE void check_token_ids(const SequenceStore& sequences, std::int64_t vocab_size) {
  if (vocab_size <= 0) return;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const Sequence sequence = sequences[i];
    check_token_ids(sequence.ids, sequence.sample, vocab_size);
  }
}

POSTTRAIN_INLINE std::vector<TokenBatch> make_batches(const Packs& packs,
                                                      const SequenceStore& from) {
  std::vector<TokenBatch> result;
  for (const auto& pack : packs) {
    std::vector<Sequence> sequences;
    for (const std::int64_t index : pack) {
      sequences.push_back(from[static_cast<std::size_t>(index)]);
    }
    std::vector<const Sequence*> chosen;
    for (const Sequence& sequence : sequences) chosen.push_back(&sequence);
    result.push_back(pack_sequences(chosen));
  }
  return result;
}

}  // namespace posttrain::data::detail
