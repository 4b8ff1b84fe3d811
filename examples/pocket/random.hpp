// SPDX-License-Identifier: Apache-2.0
// SplitMix64 (Steele, Lea, Flood 2014): the pocket world's only source of chance.
//
// The standard distributions differ between libraries, so bounded numbers and shuffles are spelled
// out here: the same seed gives the same bytes on every platform.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace pocket {

/// One round of SplitMix64's output function; a good 64-bit hash of an integer.
constexpr std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

/// Hash of a string (FNV-1a, then mixed); stable across platforms and versions.
constexpr std::uint64_t hash_text(std::string_view text) {
  std::uint64_t h = 0xCBF29CE484222325ull;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return mix(h);
}

class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) : state_(mix(seed + 0x9E3779B97F4A7C15ull)) {}

  constexpr std::uint64_t next() { return mix(state_ += 0x9E3779B97F4A7C15ull); }

  /// A number in [0, bound); the modulo bias is below 2^-50 for the bounds used here.
  constexpr int below(int bound) {
    return static_cast<int>(next() % static_cast<std::uint64_t>(bound));
  }
  /// A number in [low, high].
  constexpr int between(int low, int high) { return low + below(high - low + 1); }
  constexpr bool chance(int percent) { return below(100) < percent; }

  template <class Item>
  const Item& pick(const std::vector<Item>& items) {
    return items[static_cast<std::size_t>(below(static_cast<int>(items.size())))];
  }

  template <class Item>
  void shuffle(std::vector<Item>& items) {
    for (std::size_t i = items.size(); i > 1; --i)
      std::swap(items[i - 1], items[static_cast<std::size_t>(below(static_cast<int>(i)))]);
  }

 private:
  std::uint64_t state_;
};

}  // namespace pocket
