// SPDX-License-Identifier: Apache-2.0
// A 128-bit hash of content, to tell equal from different: two independently keyed lanes of
// splitmix64's finaliser over 64-bit words. The same on every platform of one byte order; not made
// to withstand an adversary.
#pragma once

#include <fmt/core.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
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
  void add(std::span<const std::byte> bytes);

  /// Bytes that come in parts.
  class Parts;

  void add(std::string_view text) { add(std::as_bytes(std::span(text.data(), text.size()))); }

  Value value() const { return lanes_; }

  /// 32 hexadecimal digits.
  std::string text() const { return fmt::format("{:016x}{:016x}", lanes_[0], lanes_[1]); }

 private:
  /// At most eight bytes as a word.
  static std::uint64_t word_at(std::span<const std::byte> bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), bytes.size());
    return word;
  }

  Value lanes_{0x243f6a8885a308d3ULL, 0x13198a2e03707344ULL};
};

class ContentHash::Parts {
 public:
  /// `size`: of all parts together. All are then added to `hash` as they would be in one.
  Parts(ContentHash& hash, std::size_t size) : hash_(&hash), left_(size), striped_(size >= 256) {
    hash.add(std::uint64_t{size});
  }

  /// The next part; its size is a multiple of 32, unless it is the last.
  void add(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    left_ -= bytes.size();
    if (striped_) {
      // Every fourth word goes into a hash of its own: a processor works on the four at once.
      std::array<ContentHash, kStripes> stripes = stripes_;
      for (; bytes.size() >= 8 * kStripes; bytes = bytes.subspan(8 * kStripes)) {
        for (std::size_t i = 0; i < kStripes; ++i) stripes[i].add(word_at(bytes.subspan(8 * i, 8)));
      }
      stripes_ = stripes;
      if (left_ == 0) {
        for (const ContentHash& stripe : stripes) {
          for (const std::uint64_t lane : stripe.lanes_) hash_->add(lane);
        }
      }
    }
    for (; bytes.size() >= 8; bytes = bytes.subspan(8)) hash_->add(word_at(bytes.first(8)));
    if (!bytes.empty()) hash_->add(word_at(bytes));
  }

 private:
  static constexpr std::size_t kStripes = 4;

  ContentHash* hash_;
  std::size_t left_;  // bytes to come
  bool striped_;      // long enough for it to be worth it
  std::array<ContentHash, kStripes> stripes_;
};

inline void ContentHash::add(std::span<const std::byte> bytes) {
  Parts(*this, bytes.size()).add(bytes);
}

}  // namespace posttrain
