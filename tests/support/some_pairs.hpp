// SPDX-License-Identifier: Apache-2.0
// Pairs of answers of different lengths to prompts of different lengths.
#pragma once

#include <cstdint>
#include <vector>

#include "posttrain/batch/pairs.hpp"
#include "support/fixed_items.hpp"
#include "support/tiny_model.hpp"

namespace posttrain::test {

inline AnswerPair some_pair(std::uint64_t seed) {
  const auto size = [&](std::int64_t least) {
    return least + static_cast<std::int64_t>(seed * 7 % 5);
  };
  AnswerPair pair;
  pair.prompt = some_ids(size(3), seed);
  pair.chosen = some_sequence(size(2), seed + 100);
  pair.rejected = some_sequence(size(4), seed + 200);
  for (Sequence* answer : {&pair.chosen, &pair.rejected}) {
    answer->weights.assign(answer->ids.size(), 1.0F);
  }
  pair.sample = static_cast<std::int64_t>(seed);
  return pair;
}

inline std::vector<AnswerPair> some_pairs(std::uint64_t count) {
  std::vector<AnswerPair> pairs;
  for (std::uint64_t i = 1; i <= count; ++i) pairs.push_back(some_pair(i));
  return pairs;
}

inline PairBatch packed(const std::vector<AnswerPair>& pairs, bool share = true) {
  std::vector<const AnswerPair*> pointers;
  for (const AnswerPair& pair : pairs) pointers.push_back(&pair);
  return pack_pairs(pointers, share).to(test_device());
}

inline FixedItems<PairKind> fixed_pairs(std::uint64_t count = 6, bool share_prompts = true) {
  return {some_pairs(count), some_pairs(2), {.share_prompts = share_prompts}};
}

}  // namespace posttrain::test
