// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/rotations.hpp"

#include <cmath>
#include <cstdint>
#include <vector>

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using models::positions_of;
using models::RopeSpec;
using models::Rotation;
using models::rotation;
using models::TokenPositions;

namespace {

// A prompt of 3 tokens with continuations of 2 and 4, and a sequence of 1.
const std::vector<Segment> kNodes{{0, 3, 9, 0}, {3, 5, 5, 3}, {5, 9, 9, 3}, {9, 10, 10, 0}};

}  // namespace

TEST_CASE("a row's position is its own sequence's, its length that of its tree's longest path",
          "[models]") {
  const TokenPositions at = positions_of(kNodes);
  CHECK(at.position == std::vector<std::int64_t>{0, 1, 2, 3, 4, 3, 4, 5, 6, 0});
  CHECK(at.length == std::vector<std::int64_t>{7, 7, 7, 7, 7, 7, 7, 7, 7, 1});
}

TEST_CASE("cosines and sines are those of position times frequency, times the factor", "[models]") {
  const TokenPositions at = positions_of(kNodes);
  const RopeSpec spec{.inv_freq = {1.0F, 0.25F}, .attention_factor = 1.5};
  const Rotation turned = rotation(spec, at, at::kCPU);
  REQUIRE(turned.cos.sizes() == at::IntArrayRef({10, 2}));
  for (std::int64_t row = 0; row < 10; ++row) {
    for (std::int64_t i = 0; i < 2; ++i) {
      const double angle = static_cast<double>(at.position[row]) * spec.inv_freq[i];
      CHECK(turned.cos[row][i].item<double>() == Approx(1.5 * std::cos(angle)).margin(1e-6));
      CHECK(turned.sin[row][i].item<double>() == Approx(1.5 * std::sin(angle)).margin(1e-6));
    }
  }
}

TEST_CASE("frequencies that depend on the length take that of the row's own tree", "[models]") {
  RopeSpec spec{.inv_freq = {1.0F, 0.25F}, .dynamic = true};
  spec.original_length = 4;
  spec.long_inv_freq = {0.5F, 0.125F};
  const Rotation turned = rotation(spec, positions_of(kNodes), at::kCPU);
  CHECK(turned.sin[1][0].item<double>() == Approx(std::sin(0.5)).epsilon(1e-6));
  // Packed beside a short sequence only, the prompt's rows would turn by the short frequencies.
  const Rotation alone = rotation(spec, positions_of({{0, 3, 3, 0}}), at::kCPU);
  CHECK(alone.sin[1][0].item<double>() == Approx(std::sin(1.0)).epsilon(1e-6));
}
