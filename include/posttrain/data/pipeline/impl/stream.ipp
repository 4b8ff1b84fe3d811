// SPDX-License-Identifier: Apache-2.0
// Definitions of stream.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/data/pipeline/stream.hpp"

namespace posttrain::data::detail {

POSTTRAIN_INLINE void check_token_ids(const TokenIds& ids, std::int64_t sample,
                                      std::int64_t vocab_size) {
  for (const TokenId id : ids) {
    if (id >= 0 && id < vocab_size) continue;
    raise(
        "sample {}: expected token ids below the model's vocabulary of {}, got {}; hint: does the "
        "tokenizer belong to this model?",
        sample, vocab_size, id);
  }
}

}  // namespace posttrain::data::detail
