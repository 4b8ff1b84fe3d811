// SPDX-License-Identifier: Apache-2.0
// Definitions of philox.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <array>
#include <bit>

#include "posttrain/base/compiled.hpp"
#include "posttrain/nn/philox.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

namespace detail {

// Integers of LibTorch are signed and wrap around; a shift to the right keeps the sign.
inline std::int64_t as_signed(std::uint64_t x) { return std::bit_cast<std::int64_t>(x); }

inline Tensor shifted_right(const Tensor& x, int bits) {
  return x.bitwise_right_shift(bits).bitwise_and(as_signed(~std::uint64_t{0} >> bits));
}

inline Tensor finalised(Tensor z) {
  z = z.bitwise_xor(shifted_right(z, 30)) * as_signed(0xbf58476d1ce4e5b9ULL);
  z = z.bitwise_xor(shifted_right(z, 27)) * as_signed(0x94d049bb133111ebULL);
  return z.bitwise_xor(shifted_right(z, 31));
}

constexpr std::int64_t kLowWord = 0xffffffff;

}  // namespace detail

POSTTRAIN_INLINE Tensor mix_streams(const Tensor& a, const Tensor& b) {
  return detail::finalised(a + (b + 1) * detail::as_signed(0x9e3779b97f4a7c15ULL));
}

POSTTRAIN_INLINE Tensor mix_streams(std::uint64_t a, const Tensor& b) {
  return mix_streams(at::full({}, detail::as_signed(a), b.options()), b);
}

POSTTRAIN_INLINE Tensor philox_words(std::uint64_t seed, const Tensor& streams,
                                     std::int64_t count) {
  at::NoGradGuard no_grad;
  const std::int64_t blocks = (count + 3) / 4;
  const Tensor stream = streams.unsqueeze(1);
  // Counters of fewer than 2³² blocks: their upper word is 0.
  std::array<Tensor, 4> counter{
      at::arange(blocks, streams.options()).unsqueeze(0), at::zeros({1, 1}, streams.options()),
      stream.bitwise_and(detail::kLowWord), detail::shifted_right(stream, 32)};
  auto key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const Tensor p0 = counter[0] * std::int64_t{0xD2511F53},
                 p1 = counter[2] * std::int64_t{0xCD9E8D57};
    const auto high = [](const Tensor& product) { return detail::shifted_right(product, 32); };
    counter = {high(p1).bitwise_xor(counter[1]).bitwise_xor(std::int64_t{key0}),
               p1.bitwise_and(detail::kLowWord),
               high(p0).bitwise_xor(counter[3]).bitwise_xor(std::int64_t{key1}),
               p0.bitwise_and(detail::kLowWord)};
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  Tensors words;
  for (const Tensor& word : counter) words.push_back(word.expand({streams.size(0), blocks}));
  return at::stack(words, 2).view({streams.size(0), 4 * blocks}).narrow(1, 0, count);
}

}  // namespace posttrain
