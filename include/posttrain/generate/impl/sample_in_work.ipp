// SPDX-License-Identifier: Apache-2.0
// Definitions of sample_in_work.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>

#include "posttrain/base/compiled.hpp"
#include "posttrain/generate/drafts.hpp"
#include "posttrain/generate/sample_in_work.hpp"

namespace posttrain::detail {

POSTTRAIN_INLINE bool penalizes(const Sampling& s) {
  return s.repetition_penalty != 1.0 || s.presence_penalty != 0.0 || s.frequency_penalty != 0.0;
}

POSTTRAIN_INLINE void SampleInWork::guess(const GeneratorOptions& options, std::int64_t most) {
  draft.clear();
  if (options.draft_ngrams == 0) return;
  TokenIds own = asked->request.prompt;
  own.insert(own.end(), result.ids.begin(), result.ids.end());
  draft = detail::draft(own, asked->siblings, options.draft_ngrams,
                        std::min({options.draft_tokens, asked->max_new - 1 - sampled(), most}));
}

}  // namespace posttrain::detail
