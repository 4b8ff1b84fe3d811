// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/cpu/simd.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

POSTTRAIN_SIMD void exp_loop(const float* x, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] = simd::exp(x[i]);
}
POSTTRAIN_SIMD void tanh_loop(const float* x, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] = simd::tanh(x[i]);
}
POSTTRAIN_SIMD void erf_loop(const float* x, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] = simd::erf(x[i]);
}
POSTTRAIN_SIMD void sqrt_loop(const float* x, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] = simd::sqrt(x[i]);
}
POSTTRAIN_SIMD void log_loop(const float* x, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] = simd::log(x[i]);
}
POSTTRAIN_SIMD void bfloat16_loop(const float* x, c10::BFloat16* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) simd::store(y, i, x[i]);
}

// Floats of all magnitudes and both signs.
std::vector<float> many_floats() {
  std::vector<float> values;
  for (std::uint64_t bits = 0; bits < 0xFFFFFFFFULL; bits += 9973) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (std::isfinite(value)) values.push_back(value);
  }
  return values;
}

}  // namespace

TEST_CASE("The vectorised square root is accurate at all magnitudes") {
  std::vector<float> x{0.0F};
  for (const float value : many_floats()) {
    if (value > std::numeric_limits<float>::min() && value < 1e38F) x.push_back(value);
  }
  std::vector<float> y(x.size());
  sqrt_loop(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
  CHECK(y[0] == 0.0F);
  double worst = 0;
  for (std::size_t i = 1; i < x.size(); ++i) {
    const double exact = std::sqrt(static_cast<double>(x[i]));
    worst = std::max(worst, std::fabs(y[i] - exact) / exact);
  }
  CHECK(worst < 1.2e-7);
}

TEST_CASE("The vectorised logarithm is accurate at all magnitudes") {
  std::vector<float> x{1.0F};
  for (const float value : many_floats()) {
    if (value >= std::numeric_limits<float>::min()) x.push_back(value);
  }
  std::vector<float> y(x.size());
  log_loop(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
  CHECK(y[0] == 0.0F);
  double worst = 0;
  for (std::size_t i = 1; i < x.size(); ++i) {
    const double exact = std::log(static_cast<double>(x[i]));
    worst = std::max(worst, std::fabs(y[i] - exact) / std::max(std::fabs(exact), 1e-3));
  }
  CHECK(worst < 2.5e-7);
}

TEST_CASE("The vectorised exp, tanh and erf are accurate at all magnitudes") {
  const std::vector<float> x = many_floats();
  std::vector<float> y(x.size());
  const auto count = static_cast<std::int64_t>(x.size());
  double worst = 0;
  exp_loop(x.data(), y.data(), count);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] < -87.3F || x[i] > 88.7F) continue;
    const double exact = std::exp(static_cast<double>(x[i]));
    worst = std::max(worst, std::fabs(y[i] - exact) / exact);
  }
  CHECK(worst < 3e-7);
  worst = 0;
  tanh_loop(x.data(), y.data(), count);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = std::tanh(static_cast<double>(x[i]));
    if (std::fabs(x[i]) < 1e-37F) continue;
    worst = std::max(worst, std::fabs((y[i] - exact) / exact));
  }
  CHECK(worst < 3e-7);
  worst = 0;
  erf_loop(x.data(), y.data(), count);
  for (std::size_t i = 0; i < x.size(); ++i) {
    worst = std::max(worst, std::fabs(y[i] - std::erf(static_cast<double>(x[i]))));
  }
  CHECK(worst < 6e-7);
}

TEST_CASE("The vectorised exp keeps infinities, NaN and the ends of its range") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<float> x{-kInf, kInf, std::nanf(""), -100.0F, 100.0F, 88.5F, 0.0F};
  std::vector<float> y(x.size());
  exp_loop(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
  CHECK(y[0] == 0.0F);
  CHECK(y[1] == kInf);
  CHECK(std::isnan(y[2]));
  CHECK(y[3] == 0.0F);
  CHECK(y[4] == kInf);
  CHECK(y[5] == Approx(std::exp(88.5)).epsilon(3e-7));
  CHECK(y[6] == 1.0F);
}

TEST_CASE("Rounding to bfloat16 is to nearest even and keeps NaN") {
  std::vector<float> x = many_floats();
  x.push_back(std::bit_cast<float>(0x7FFFFFFFU));
  x.push_back(std::numeric_limits<float>::infinity());
  std::vector<c10::BFloat16> y(x.size());
  bfloat16_loop(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
  std::int64_t different = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float expected = static_cast<float>(c10::BFloat16(x[i]));
    const float actual = static_cast<float>(y[i]);
    different += !(actual == expected || (actual != actual && expected != expected));
  }
  CHECK(different == 0);
}
