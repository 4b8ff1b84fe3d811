// SPDX-License-Identifier: Apache-2.0
// Blocks out of a document's tokens.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "posttrain/base/sequence.hpp"

namespace posttrain::data {

/// Cuts a document's tokens into sequences of at most `block_size` (0: one sequence). Blocks do not
/// overlap, so the first token of every block is read but not scored: nothing in its block precedes
/// it. A last block of one token would be lost that way, and with it the document's end: then the
/// block before it gives one of its own.
inline std::vector<Sequence> document_blocks(const TokenIds& ids, std::int64_t block_size) {
  const std::size_t size = block_size > 0 ? static_cast<std::size_t>(block_size) : ids.size();
  std::vector<Sequence> blocks;
  for (std::size_t begin = 0; begin < ids.size();) {
    std::size_t end = std::min(begin + size, ids.size());
    if (end + 1 == ids.size() && end - begin > 2) --end;
    Sequence block;
    block.ids.assign(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                     ids.begin() + static_cast<std::ptrdiff_t>(end));
    block.weights.assign(block.ids.size(), 1.0F);
    block.weights[0] = 0.0F;
    blocks.push_back(std::move(block));
    begin = end;
  }
  return blocks;
}

}  // namespace posttrain::data
