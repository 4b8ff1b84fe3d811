// SPDX-License-Identifier: Apache-2.0
// Inverse frequencies of rotary position embeddings and their scalings for longer contexts.
//
// Plain: f_i = theta^(-2i / dim), i < dim / 2. Linear divides f by a factor; dynamic NTK grows
// theta with the length; YaRN (arXiv 2309.00071) interpolates low and keeps high frequencies;
// `llama3` does so by wavelength; LongRoPE (arXiv 2402.13753) divides by a list of factors.
// Arithmetic is fp32 in the order of transformers' modeling_rope_utils.py, because a last-place
// difference of a frequency is multiplied by the position.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

namespace posttrain::models::rope {

namespace detail {

// theta^(2i / dim), the reciprocal of the plain frequency.
inline std::vector<float> powers(std::int64_t dim, float theta) {
  std::vector<float> result(static_cast<std::size_t>(dim / 2));
  for (std::size_t i = 0; i < result.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(dim);
    result[i] =
        static_cast<float>(std::pow(static_cast<double>(theta), static_cast<double>(exponent)));
  }
  return result;
}

}  // namespace detail

/// f_i = theta^(-2i / dim): `dim / 2` values.
inline std::vector<float> default_frequencies(std::int64_t dim, double theta) {
  std::vector<float> result = detail::powers(dim, static_cast<float>(theta));
  for (float& value : result) value = 1.0F / value;
  return result;
}

inline std::vector<float> linear_frequencies(std::int64_t dim, double theta, double factor) {
  std::vector<float> result = default_frequencies(dim, theta);
  for (float& value : result) value /= static_cast<float>(factor);
  return result;
}

/// NTK scaling at `length` > `original_length` tokens (at or below it: the plain frequencies).
inline std::vector<float> dynamic_frequencies(std::int64_t dim, double theta, double factor,
                                              std::int64_t original_length, std::int64_t length) {
  const auto ratio = static_cast<float>(factor) *
                     static_cast<float>(std::max(length, original_length)) /
                     static_cast<float>(original_length);
  const double exponent = static_cast<double>(dim) / static_cast<double>(dim - 2);
  const float growth = static_cast<float>(
      std::pow(static_cast<double>(ratio - static_cast<float>(factor - 1.0)), exponent));
  std::vector<float> result = detail::powers(dim, static_cast<float>(theta) * growth);
  for (float& value : result) value = 1.0F / value;
  return result;
}

struct Llama3Scaling {
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  double original_length = 0.0;
};

/// Llama 3.1: wavelengths above original / low_freq_factor are divided by `factor`, those below
/// original / high_freq_factor stay, those between are interpolated.
inline std::vector<float> llama3_frequencies(std::int64_t dim, double theta,
                                             const Llama3Scaling& scaling) {
  const auto factor = static_cast<float>(scaling.factor);
  const auto low_wavelength = static_cast<float>(scaling.original_length / scaling.low_freq_factor);
  const auto high_wavelength =
      static_cast<float>(scaling.original_length / scaling.high_freq_factor);
  std::vector<float> result = default_frequencies(dim, theta);
  for (float& value : result) {
    const float wavelength = static_cast<float>(2.0 * std::numbers::pi) * (1.0F / value);
    if (wavelength < high_wavelength) continue;
    if (wavelength > low_wavelength) {
      value /= factor;
      continue;
    }
    const float smooth = ((1.0F / wavelength) * static_cast<float>(scaling.original_length) -
                          static_cast<float>(scaling.low_freq_factor)) /
                         static_cast<float>(scaling.high_freq_factor - scaling.low_freq_factor);
    value = (1.0F - smooth) * value / factor + smooth * value;
  }
  return result;
}

struct YarnScaling {
  double factor = 1.0;
  double original_length = 0.0;
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  bool truncate = true;  // round the bounds of the ramp outwards to whole dimensions
};

/// YaRN: a linear ramp over the dimensions between extrapolation (many rotations within the
/// original length) and interpolation (few).
inline std::vector<float> yarn_frequencies(std::int64_t dim, double theta,
                                           const YarnScaling& scaling) {
  const auto dimension = [&](double rotations) {
    return static_cast<double>(dim) *
           std::log(scaling.original_length / (rotations * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(theta));
  };
  double low = dimension(scaling.beta_fast);
  double high = dimension(scaling.beta_slow);
  if (scaling.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(dim - 1));
  if (low == high) high += 0.001;  // no division by zero

  std::vector<float> result = detail::powers(dim, static_cast<float>(theta));
  for (std::size_t i = 0; i < result.size(); ++i) {
    const float ramp = std::clamp(
        (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low), 0.0F,
        1.0F);
    const float keep = 1.0F - ramp;
    const float extrapolated = 1.0F / result[i];
    const float interpolated = 1.0F / (static_cast<float>(scaling.factor) * result[i]);
    result[i] = interpolated * (1.0F - keep) + extrapolated * keep;
  }
  return result;
}

/// The factor YaRN puts on cos and sin: 0.1 · mscale · ln(scale) + 1.
inline double yarn_mscale(double scale, double mscale = 1.0) {
  return scale <= 1.0 ? 1.0 : 0.1 * mscale * std::log(scale) + 1.0;
}

/// LongRoPE: f_i / factors[i]; `factors` has `dim / 2` entries.
inline std::vector<float> longrope_frequencies(std::int64_t dim, double theta,
                                               const std::vector<float>& factors) {
  std::vector<float> result = detail::powers(dim, static_cast<float>(theta));
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = 1.0F / (factors[i] * result[i]);
  return result;
}

/// The factor LongRoPE puts on cos and sin: sqrt(1 + ln(scale) / ln(original length)).
inline double longrope_attention_factor(double scale, double original_length) {
  return scale <= 1.0 ? 1.0 : std::sqrt(1.0 + std::log(scale) / std::log(original_length));
}

}  // namespace posttrain::models::rope
