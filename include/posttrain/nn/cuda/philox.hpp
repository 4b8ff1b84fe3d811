// SPDX-License-Identifier: Apache-2.0
// Random numbers on CUDA, with the bits of base/rng.hpp: dropout of keyed rows and NEFTune's noise.
#pragma once

#ifndef POSTTRAIN_NO_CUDA

#include <bit>
#include <cstdint>

#include "posttrain/tensor/cuda/device_code.hpp"
#include "posttrain/tensor/cuda/kernel.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::cuda {

// clang-format off
POSTTRAIN_DEVICE_CODE(
    kPhiloxCode,
    struct Words { unsigned at[4]; };

    // Block `index` of a stream: four random words (Philox4x32-10).
    PT_FN Words random_words(unsigned long long seed, unsigned long long stream,
                             unsigned long long index) {
      unsigned c0 = static_cast<unsigned>(index);
      unsigned c1 = static_cast<unsigned>(index >> 32);
      unsigned c2 = static_cast<unsigned>(stream);
      unsigned c3 = static_cast<unsigned>(stream >> 32);
      unsigned key0 = static_cast<unsigned>(seed);
      unsigned key1 = static_cast<unsigned>(seed >> 32);
      for (int round = 0; round < 10; ++round) {
        const unsigned high0 = high_product(0xD2511F53U, c0);
        const unsigned high1 = high_product(0xCD9E8D57U, c2);
        const unsigned low0 = 0xD2511F53U * c0;
        const unsigned low1 = 0xCD9E8D57U * c2;
        c0 = high1 ^ c1 ^ key0;
        c1 = low1;
        c2 = high0 ^ c3 ^ key1;
        c3 = low0;
        key0 += 0x9E3779B9U;
        key1 += 0xBB67AE85U;
      }
      Words words;
      words.at[0] = c0;
      words.at[1] = c1;
      words.at[2] = c2;
      words.at[3] = c3;
      return words;
    }

    PT_FN unsigned long long mixed(unsigned long long a, unsigned long long b) {
      unsigned long long z = a + 0x9e3779b97f4a7c15ULL * (b + 1);
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
      return z ^ (z >> 31);
    }

    // y = x · kept where the word of an entry is at least `threshold`, else 0. A thread has four
    // columns, the words of one block.
    PT_KERNEL void keyed_dropout(const Element* x, const long long* keys, Element* y,
                                 long long columns, long long tiles, long long seed,
                                 long long key, long long threshold, float kept) {
      const long long row = PT_BLOCK / tiles;
      const long long block = PT_BLOCK % tiles * PT_THREADS + PT_THREAD;
      if (4 * block >= columns) return;
      const Words words = random_words(
          static_cast<unsigned long long>(seed),
          mixed(static_cast<unsigned long long>(key), static_cast<unsigned long long>(keys[row])),
          static_cast<unsigned long long>(block));
      const float factor = rounded(kept);
      for (int k = 0; k < 4; ++k) {
        const long long i = row * columns + 4 * block + k;
        if (4 * block + k >= columns) return;
        const bool keeps = static_cast<long long>(words.at[k]) >= threshold;
        set(y[i], to_float(x[i]) * (keeps ? factor : 0.0F));
      }
    }

    // noise = bound · u, u uniform in [−1, 1) of 53 bits; a thread has two columns.
    PT_KERNEL void uniform_noise(const long long* streams, const double* bounds, Element* noise,
                                 long long columns, long long tiles, long long seed) {
      const long long row = PT_BLOCK / tiles;
      const long long block = PT_BLOCK % tiles * PT_THREADS + PT_THREAD;
      if (2 * block >= columns) return;
      const Words words = random_words(static_cast<unsigned long long>(seed),
                                       static_cast<unsigned long long>(streams[row]),
                                       static_cast<unsigned long long>(block));
      for (int k = 0; k < 2; ++k) {
        if (2 * block + k >= columns) return;
        const unsigned long long word =
            words.at[2 * k] | static_cast<unsigned long long>(words.at[2 * k + 1]) << 32;
        const double uniform = static_cast<double>(word >> 11) * 1.1102230246251565e-16;
        const double drawn = 2.0 * uniform - 1.0;
        set(noise[row * columns + 2 * block + k], static_cast<float>(drawn * bounds[row]));
      }
    })
// clang-format on

inline constexpr DeviceProgram kPhilox{"philox", kPhiloxCode};
inline constexpr Kernel<Data, Data, Data, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                        std::int64_t, float>
    keyed_dropout_kernel{&kPhilox, "keyed_dropout"};
inline constexpr Kernel<Data, Data, Data, std::int64_t, std::int64_t, std::int64_t>
    uniform_noise_kernel{&kPhilox, "uniform_noise"};

/// The grid of rows whose columns are taken `each` at a time by a thread.
struct RandomGrid {
  int threads;
  std::int64_t tiles, rows;
  RandomGrid(std::int64_t rows, std::int64_t columns, std::int64_t each)
      : threads(columns > 64 * each ? 128 : 32),
        tiles((columns + each * threads - 1) / (each * threads)),
        rows(rows) {}
  Grid grid() const { return {rows * tiles, threads}; }
};

/// x [T, columns] with entries kept by `seed`, `key` and the keys of the rows [T].
inline Tensor keyed_dropout(const Tensor& given, const Tensor& keys, std::uint64_t seed,
                            std::uint64_t key, std::uint64_t threshold, float kept) {
  const Tensor x = given.contiguous(), y = at::empty_like(x);
  const RandomGrid grid(x.size(0), x.size(1), 4);
  keyed_dropout_kernel({x.device(), x.scalar_type(), 1}, grid.grid(), x, keys, y, x.size(1),
                       grid.tiles, std::bit_cast<std::int64_t>(seed),
                       std::bit_cast<std::int64_t>(key), static_cast<std::int64_t>(threshold),
                       kept);
  return y;
}

/// Noise for x [T, columns], of its type: streams [T] and bounds [T] fp64 on its device.
inline Tensor uniform_noise(const Tensor& x, const Tensor& streams, const Tensor& bounds,
                            std::uint64_t seed) {
  const Tensor noise = at::empty(x.sizes(), x.options());
  const RandomGrid grid(x.size(0), x.size(1), 2);
  uniform_noise_kernel({x.device(), x.scalar_type(), 1}, grid.grid(), streams, bounds, noise,
                       x.size(1), grid.tiles, std::bit_cast<std::int64_t>(seed));
  return noise;
}

}  // namespace posttrain::cuda

#endif
