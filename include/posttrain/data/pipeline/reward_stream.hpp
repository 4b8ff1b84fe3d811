// SPDX-License-Identifier: Apache-2.0
// From tokenised pairs to the micro-batches that reward models train on.
//
//   data::RewardPairs{data::Preferences{.path = "pairs.jsonl"}}      for BradleyTerry
//
// A step is `effective_batch_size` pairs; a micro-batch holds whole ones. Solutions in steps:
// data/steps.hpp.
#pragma once

#include <concepts>
#include <cstdint>
#include <utility>
#include <vector>

#include "posttrain/batch/rewards.hpp"
#include "posttrain/data/pipeline/pair_stream.hpp"

namespace posttrain::data {

namespace detail {

/// The type of a policy's `packing`, if it has that field.
template <class Pairs>
struct PackerOf {
  using type = FirstFitDecreasing;
};
template <class Pairs>
requires requires(const Pairs& pairs) { pairs.packing; }
struct PackerOf<Pairs> {
  using type = decltype(Pairs::packing);
};

}  // namespace detail

/// Pairs as in PairStream, with one prediction for each answer.
struct RewardItems : PairItems {
  using Batch = RewardBatch;
  static constexpr bool keeps_reference = false;

  std::vector<RewardBatch> batches(const Packs& packs, const std::vector<AnswerPair>& pairs) const {
    std::vector<RewardBatch> all;
    for (const auto& pack : packs) {
      all.push_back(pack_reward_pairs(detail::items_of(pack, pairs), share_prompts));
    }
    return all;
  }
};

template <class Packer = FirstFitDecreasing>
using RewardStream = Stream<RewardItems, Packer>;

/// A data policy that loads tokenised pairs.
template <class D>
concept LoadsPairs = requires(const D& policy, const LoadContext& context) {
  { policy.load(context) } -> std::same_as<LoadedPairs>;
};

/// The pairs of another policy as what reward models train on, with its `packing` and
/// `share_prompts` if it has them.
template <class Pairs>
struct RewardPairs {
  using Batch = RewardBatch;
  using Packer = typename detail::PackerOf<Pairs>::type;

  Pairs pairs{};

  constexpr void validate() const {
    if constexpr (requires { pairs.validate(); }) pairs.validate();
  }

  Stream<RewardItems, Packer> open(const LoadContext& context, std::int64_t effective_batch_size,
                                   std::int64_t vocab_size = 0) const requires LoadsPairs<Pairs> {
    RewardItems items;
    Packer packer{};
    if constexpr (requires { pairs.share_prompts; }) items.share_prompts = pairs.share_prompts;
    if constexpr (requires { pairs.packing; }) packer = pairs.packing;
    return {pairs.load(context), context, effective_batch_size, vocab_size, packer, items};
  }
};

// clang before 17 does not deduce the argument of an aggregate by itself.
template <class Pairs>
RewardPairs(Pairs) -> RewardPairs<Pairs>;

}  // namespace posttrain::data
