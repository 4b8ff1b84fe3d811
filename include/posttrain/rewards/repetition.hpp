// SPDX-License-Identifier: Apache-2.0
// A penalty for saying the same again (the n-gram penalty of arXiv 2502.03373; open-r1 and TRL:
// get_repetition_penalty_reward). With N n-grams in a completion, U of them different:
//
//   max_penalty · (1 − U / N),    0 where N = 0
//
// n-grams of words in lower case, cut at white space, as there; of token ids for texts without
// spaces (Chinese, code), where words say little.
#pragma once

#include <cstdint>
#include <string>

#include "posttrain/base/error.hpp"
#include "posttrain/rewards/sample.hpp"

namespace posttrain {

struct Repetition {
  std::int64_t ngram = 3;     // n
  double max_penalty = -1.0;  // at most 0: the value of an endless repetition
  bool of_ids = false;        // n-grams of token ids instead of words

  constexpr void validate() const {
    if (ngram < 1) fail("posttrain: Repetition.ngram must be at least 1");
    if (!(max_penalty <= 0.0)) fail("posttrain: Repetition.max_penalty must be at most 0");
  }

  Verdict operator()(const Sample& sample) const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/impl/repetition.ipp"
#endif
