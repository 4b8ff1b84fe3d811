// SPDX-License-Identifier: Apache-2.0
// The tokens of one word: ids, and (on request) the bytes of the word behind each.
#pragma once

#include <cstddef>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/text/tokenizer/aligned_text.hpp"

namespace posttrain::text {

struct Tokens {
  TokenIds* ids = nullptr;
  std::vector<ByteRange>* ranges = nullptr;  // null if not wanted

  void push(TokenId id, std::size_t begin, std::size_t end) const {
    ids->push_back(id);
    if (ranges != nullptr) ranges->push_back({begin, end});
  }
};

}  // namespace posttrain::text
