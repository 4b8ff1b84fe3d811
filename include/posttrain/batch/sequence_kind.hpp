// SPDX-License-Identifier: Apache-2.0
// Sequences as items (concepts/kind.hpp), each a root of its micro-batch.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/fwd.hpp"

namespace posttrain {

struct SequenceKind {
  using Item = Sequence;
  using Batch = TokenBatch;

  static std::int64_t tokens(const Sequence& sequence) {
    return static_cast<std::int64_t>(sequence.ids.size());
  }
  static std::int64_t length(const Sequence& sequence) { return tokens(sequence); }
  static std::int64_t counted(const Sequence& sequence) { return sequence.counted(); }
  static bool truncate(Sequence& sequence, std::int64_t max_seq_len) {
    sequence.ids.resize(static_cast<std::size_t>(max_seq_len));
    sequence.weights.resize(static_cast<std::size_t>(max_seq_len));
    return true;
  }
  static std::vector<Sequence> parts(const Sequence& sequence) { return {sequence}; }
  static Sequence from_parts(std::vector<Sequence> parts) { return std::move(parts.at(0)); }
  static TokenBatch pack(std::span<const Sequence* const> sequences);  // batch/tokens.hpp
};

}  // namespace posttrain
