// SPDX-License-Identifier: Apache-2.0
// Closed forms; models/families/rope_test.cpp compares with transformers' own numbers.
#include "posttrain/models/rope_scaling.hpp"

#include <cmath>
#include <numbers>

#include "support/catch.hpp"

using namespace posttrain::models::rope;

namespace {

// Of dimension i of 8 under the base 10,000: 1, 0.1, 0.01, 0.001.
double plain(std::size_t i) { return std::pow(10.0, -static_cast<double>(i)); }

}  // namespace

TEST_CASE("plain frequencies fall geometrically, linear scaling divides them") {
  const auto frequencies = default_frequencies(8, 10000.0);
  const auto scaled = linear_frequencies(8, 10000.0, 4.0);
  REQUIRE(frequencies.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(frequencies[i] == Approx(plain(i)).epsilon(1e-6));
    CHECK(scaled[i] == frequencies[i] / 4.0F);
  }
}

TEST_CASE(
    "NTK scaling leaves the fastest dimension alone and stretches the slowest to the length") {
  CHECK(dynamic_frequencies(8, 10000.0, 2.0, 64, 64) == default_frequencies(8, 10000.0));
  CHECK(dynamic_frequencies(8, 10000.0, 2.0, 64, 10) == default_frequencies(8, 10000.0));
  const auto longer = dynamic_frequencies(8, 10000.0, 1.0, 64, 256);
  CHECK(longer[0] == 1.0F);
  // base · 4^(8/6), so that the last exponent 6/8 gives exactly a fourth.
  CHECK(longer[3] == Approx(plain(3) / 4.0).epsilon(1e-5));
}

TEST_CASE("Llama 3 keeps short waves, divides long ones and interpolates between") {
  // Wavelengths 6, 63, 628 and 6283 of 1000 tokens: borders at 250 and 1000.
  const auto scaled = llama3_frequencies(
      8, 10000.0,
      {.factor = 8.0, .low_freq_factor = 1.0, .high_freq_factor = 4.0, .original_length = 1000.0});
  CHECK(scaled[0] == Approx(plain(0)).epsilon(1e-6));
  CHECK(scaled[1] == Approx(plain(1)).epsilon(1e-6));
  CHECK(scaled[3] == Approx(plain(3) / 8.0).epsilon(1e-5));
  const double smooth = (1000.0 / (200.0 * std::numbers::pi) - 1.0) / 3.0;
  CHECK(scaled[2] == Approx(plain(2) * ((1.0 - smooth) / 8.0 + smooth)).epsilon(1e-5));
}

TEST_CASE("YaRN ramps from extrapolation to interpolation") {
  const auto scaled = yarn_frequencies(
      64, 10000.0, {.factor = 4.0, .original_length = 4096.0, .beta_fast = 32.0, .beta_slow = 1.0});
  const auto frequencies = default_frequencies(64, 10000.0);
  CHECK(scaled.front() == frequencies.front());
  CHECK(scaled.back() == Approx(frequencies.back() / 4.0).epsilon(1e-6));
  for (std::size_t i = 0; i < 32; ++i) {
    CHECK(scaled[i] <= frequencies[i]);
    CHECK(scaled[i] >= frequencies[i] / 4.0F * 0.999999F);
  }
  CHECK(yarn_mscale(1.0) == 1.0);
  CHECK(yarn_mscale(std::exp(1.0)) == Approx(1.1));
  CHECK(yarn_mscale(std::exp(1.0), 0.5) == Approx(1.05));
}

TEST_CASE("LongRoPE divides every dimension by its own factor") {
  const auto scaled = longrope_frequencies(8, 10000.0, {1.0F, 2.0F, 4.0F, 8.0F});
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(scaled[i] == Approx(plain(i) / std::pow(2.0, static_cast<double>(i))).epsilon(1e-6));
  }
  CHECK(longrope_attention_factor(1.0, 4096.0) == 1.0);
  CHECK(longrope_attention_factor(4096.0, 4096.0) == Approx(std::sqrt(2.0)));
}
