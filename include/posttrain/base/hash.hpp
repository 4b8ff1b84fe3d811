// SPDX-License-Identifier: Apache-2.0
// A 128-bit hash of content, to tell equal from different: two independently keyed lanes of
// splitmix64's finaliser over 64-bit words. The same on every platform of one byte order; not made
// to withstand an adversary.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "posttrain/base/rng.hpp"

namespace posttrain {

class ContentHash {
 public:
  using Value = std::array<std::uint64_t, 2>;

  void add(std::uint64_t word) {
    lanes_[0] = mix_streams(lanes_[0], word);
    lanes_[1] = mix_streams(std::rotl(lanes_[1], 23), word * 0xd6e8feb86659fd93ULL);
  }

  /// Bytes with their number, so that ("ab", "c") differs from ("a", "bc").
  void add(std::span<const std::byte> bytes) {
    add(std::uint64_t{bytes.size()});
    while (bytes.size() >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data(), 8);
      add(word);
      bytes = bytes.subspan(8);
    }
    if (bytes.empty()) return;
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), bytes.size());
    add(word);
  }

  void add(std::string_view text) { add(std::as_bytes(std::span(text.data(), text.size()))); }

  Value value() const { return lanes_; }

 private:
  Value lanes_{0x243f6a8885a308d3ULL, 0x13198a2e03707344ULL};
};

}  // namespace posttrain
