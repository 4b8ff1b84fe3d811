// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011).
//
// A draw is a pure function of (seed, stream, index), so it can be reproduced for one token of one
// step without replaying the others, and resuming is setting an index. Integers, `uniform`, `below`
// and `shuffle` give the same values on every platform; `normal` goes through libm's log and cos
// and can differ there in the last bits.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace posttrain {

/// One 64-bit value out of two, well mixed (splitmix64's finaliser): makes a stream number of
/// several small ones, such as (purpose, step) or (step, token).
constexpr std::uint64_t mix_streams(std::uint64_t a, std::uint64_t b) {
  std::uint64_t z = a + 0x9e3779b97f4a7c15ULL * (b + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

/// A stream number of a name: FNV-1a (64 bits), the same with every standard library.
constexpr std::uint64_t stream_of(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

/// A generator keyed by (seed, stream). Streams are independent. Models
/// `std::uniform_random_bit_generator` with 32-bit results.
class Philox4x32 {
 public:
  using result_type = std::uint32_t;
  using Block = std::array<std::uint32_t, 4>;

  constexpr explicit Philox4x32(std::uint64_t seed, std::uint64_t stream = 0)
      : seed_(seed), stream_(stream) {}

  /// Block `index` of the stream: four 32-bit words; a pure function of its arguments.
  static constexpr Block block(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
    return bijection({low(index), high(index), low(stream), high(stream)}, low(seed), high(seed));
  }

  /// The bare bijection: a counter of four words under a key of two.
  static constexpr Block bijection(Block counter, std::uint32_t key0, std::uint32_t key1) {
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * counter[0];
      const std::uint64_t p1 = std::uint64_t{0xCD9E8D57U} * counter[2];
      counter = {high(p1) ^ counter[1] ^ key0, low(p1), high(p0) ^ counter[3] ^ key1, low(p0)};
      key0 += 0x9E3779B9U;
      key1 += 0xBB67AE85U;
    }
    return counter;
  }

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  constexpr result_type operator()() { return next_u32(); }

  constexpr std::uint32_t next_u32() {
    const std::uint64_t word = index_++;
    if (word / 4 != cached_index_) {
      cached_index_ = word / 4;
      cached_ = block(seed_, stream_, cached_index_);
    }
    return cached_[word % 4];
  }

  constexpr std::uint64_t next_u64() {
    const std::uint64_t lower = next_u32();
    return lower | (std::uint64_t{next_u32()} << 32);
  }

  /// Uniform in [0, 1), a multiple of 2^-53.
  constexpr double uniform() { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }

  /// Standard normal (Box–Muller, the cosine branch; two 64-bit draws per value).
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(6.283185307179586477 * uniform());
  }

  /// Uniform in [0, n), without bias, by rejecting the incomplete last range. n = 0 gives 0.
  constexpr std::uint64_t below(std::uint64_t n) {
    if (n < 2) return 0;
    const std::uint64_t reject_below = (0 - n) % n;  // 2^64 mod n
    std::uint64_t draw = next_u64();
    while (draw < reject_below) draw = next_u64();
    return draw % n;
  }

  /// How many 32-bit words have been drawn; `seek` continues from there.
  constexpr std::uint64_t position() const { return index_; }
  constexpr void seek(std::uint64_t position) { index_ = position; }

 private:
  static constexpr std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
  static constexpr std::uint32_t high(std::uint64_t x) {
    return static_cast<std::uint32_t>(x >> 32);
  }

  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t index_ = 0;
  std::uint64_t cached_index_ = std::numeric_limits<std::uint64_t>::max();
  Block cached_{};
};

/// Fisher–Yates; unlike std::shuffle the same permutation with every standard library.
template <class Value>
constexpr void shuffle(std::vector<Value>& values, Philox4x32& rng) {
  for (std::size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[static_cast<std::size_t>(rng.below(i))]);
  }
}

/// A permutation of 0 … n−1, a pure function of (n, seed, stream).
inline std::vector<std::int64_t> permutation(std::int64_t n, std::uint64_t seed,
                                             std::uint64_t stream) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) order[static_cast<std::size_t>(i)] = i;
  Philox4x32 rng(seed, stream);
  shuffle(order, rng);
  return order;
}

}  // namespace posttrain
