// SPDX-License-Identifier: Apache-2.0
// Bounds on what a tokenizer.json makes of a text. Its rules are a stranger's program, too: forty
// rules that double a text would fill any memory.
#pragma once

#include <cstddef>
#include <limits>
#include <string_view>

#include "posttrain/base/error.hpp"

namespace posttrain::text {

/// The bytes that a text of `size` bytes may become: 64 KiB and 32 times its size. The most that
/// Unicode's forms, a space of three bytes and the byte-level alphabet make together is 26 times.
inline std::size_t largest_rewriting(std::size_t size) {
  constexpr std::size_t kFree = std::size_t{64} << 10U, kTimes = 32;
  constexpr std::size_t kMost = (std::numeric_limits<std::size_t>::max() - kFree) / kTimes;
  return kFree + kTimes * (size < kMost ? size : kMost);
}

/// `size` bytes are to become `most` at most.
inline void check_rewriting(std::size_t size, std::size_t most) {
  if (size <= most) return;
  raise(
      "tokenizer.json: its rules make more than {} bytes of a text, expected at most 65536 and 32 "
      "times the text; hint: look for Replace and Prepend in it",
      most);
}

/// A sequence of normalizers, pre-tokenizers, decoders or post-processors is getting longer.
inline void check_steps(std::size_t count, std::string_view kind) {
  constexpr std::size_t kMost = 100;
  if (count <= kMost) return;
  raise("tokenizer.json: expected at most {} steps in the {}", kMost, kind);
}

}  // namespace posttrain::text
