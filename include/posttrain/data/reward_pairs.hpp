// SPDX-License-Identifier: Apache-2.0
// The pairs of another policy as reward models train on them, one reward for each answer:
//
//   RewardPairs{Preferences{.path = "pairs.jsonl"}}      for BradleyTerry
//
// A step is `effective_batch_size` pairs. Solutions in steps: data/steps.hpp.
#pragma once

#include <concepts>

#include "posttrain/batch/rewards.hpp"
#include "posttrain/data/pipeline/loaded.hpp"

namespace posttrain::data {

/// A data policy that loads tokenized pairs.
template <class D>
concept LoadsPairs = requires(const D& policy, const LoadContext& context) {
  { policy.load(context) } -> std::same_as<LoadedItems<AnswerPair>>;
  { policy.kind() } -> std::convertible_to<PairKind>;
};

}  // namespace posttrain::data

namespace posttrain {

template <data::LoadsPairs Pairs>
struct RewardPairs {
  Pairs pairs{};

  constexpr void validate() const {
    if constexpr (requires { pairs.validate(); }) pairs.validate();
  }

  RewardKind kind() const { return {pairs.kind()}; }
  data::LoadedItems<AnswerPair> load(const data::LoadContext& context) const {
    return pairs.load(context);
  }
};

// clang before 17 does not deduce the argument of an aggregate by itself.
template <class Pairs>
RewardPairs(Pairs) -> RewardPairs<Pairs>;

}  // namespace posttrain
