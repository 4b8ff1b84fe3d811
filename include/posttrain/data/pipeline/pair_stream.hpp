// SPDX-License-Identifier: Apache-2.0
// From tokenised pairs to the micro-batches of optimizer steps. A step is `effective_batch_size`
// pairs; a micro-batch holds whole pairs.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "posttrain/batch/pairs.hpp"
#include "posttrain/data/pipeline/pair_loading.hpp"
#include "posttrain/data/pipeline/token_stream.hpp"

namespace posttrain::data {

struct PairItems {
  using Batch = PairBatch;
  using Loaded = LoadedPairs;

  bool share_prompts = true;

  LoadedPairs load(const SourceOptions& source, const LoadContext& context,
                   Truncation truncation) const {
    return load_preferences(source, context, truncation, share_prompts);
  }
  std::vector<std::int64_t> lengths(const std::vector<AnswerPair>& pairs) const {
    std::vector<std::int64_t> all;
    for (const AnswerPair& pair : pairs) all.push_back(pair.tokens(share_prompts));
    return all;
  }
  void check_ids(const std::vector<AnswerPair>& pairs, std::int64_t vocab_size) const {
    for (const AnswerPair& pair : pairs) {
      for (const TokenIds* ids : {&pair.prompt, &pair.chosen.ids, &pair.rejected.ids}) {
        detail::check_token_ids(*ids, pair.sample, vocab_size);
      }
    }
  }
  /// A pair can carry the reference's scores (params/with_reference_scores.hpp).
  static constexpr bool keeps_reference = true;
  static void add_to(ContentHash& hash, const AnswerPair& pair) { add_content(hash, pair); }

  std::vector<PairBatch> batches(const Packs& packs, const std::vector<AnswerPair>& pairs) const {
    std::vector<PairBatch> all;
    for (const auto& pack : packs) {
      all.push_back(pack_pairs(detail::items_of(pack, pairs), share_prompts));
    }
    return all;
  }
};

template <class Packer = FirstFitDecreasing>
using PairStream = Stream<PairItems, Packer>;

}  // namespace posttrain::data
