// SPDX-License-Identifier: Apache-2.0
#include "posttrain/generate/draw_key.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <vector>

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("a draw's number is a function of its key and position, of 53 bits", "[generate]") {
  static_assert(uniform_at({1, 2, 3, 4}, 5) == uniform_at({1, 2, 3, 4}, 5));
  // By hand: a block of Philox4x32-10 under the seed; its stream mixes purpose, epoch, prompt and
  // sample.
  std::uint64_t stream = mix_streams(stream_of("generate"), 2);
  stream = mix_streams(mix_streams(stream, 3), 4);
  const Philox4x32::Block block = Philox4x32::block(1, stream, 5);
  const std::uint64_t bits = (block[0] | std::uint64_t{block[1]} << 32) >> 11;
  CHECK(uniform_at({1, 2, 3, 4}, 5) == static_cast<double>(bits) / 9007199254740992.0);
}

TEST_CASE("every part of a key and the position change the number", "[generate]") {
  std::set<double> numbers;
  std::size_t made = 0;
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, kMost}) {
    for (std::uint64_t epoch = 0; epoch < 4; ++epoch) {
      for (std::uint64_t prompt = 0; prompt < 5; ++prompt) {
        for (std::uint64_t sample = 0; sample < 5; ++sample) {
          for (std::int64_t position = 0; position < 5; ++position, ++made) {
            numbers.insert(uniform_at({seed, epoch, prompt, sample}, position));
          }
        }
      }
    }
  }
  CHECK(numbers.size() == made);
  CHECK(*numbers.begin() >= 0.0);
  CHECK(*numbers.rbegin() < 1.0);
}

TEST_CASE("numbers of neighbouring draws are uniform and not correlated", "[generate]") {
  // 100,000 draws: means within five standard deviations.
  constexpr int kPrompts = 100, kSamples = 10, kPositions = 100;
  double sum = 0, squares = 0, along = 0, across = 0;
  for (std::uint64_t prompt = 0; prompt < kPrompts; ++prompt) {
    for (std::uint64_t sample = 0; sample < kSamples; ++sample) {
      for (std::int64_t position = 0; position < kPositions; ++position) {
        const double u = uniform_at({7, 0, prompt, sample}, position) - 0.5;
        sum += u;
        squares += u * u;
        along += u * (uniform_at({7, 0, prompt, sample}, position + 1) - 0.5);
        across += u * (uniform_at({7, 0, prompt, sample + 1}, position) - 0.5);
      }
    }
  }
  const double draws = kPrompts * kSamples * kPositions;
  CHECK(std::abs(sum / draws) < 5 * std::sqrt(1.0 / 12 / draws));
  CHECK(std::abs(squares / draws - 1.0 / 12) < 5 * std::sqrt(1.0 / 180 / draws));
  CHECK(std::abs(along / draws) < 5 * (1.0 / 12) / std::sqrt(draws));
  CHECK(std::abs(across / draws) < 5 * (1.0 / 12) / std::sqrt(draws));
}
