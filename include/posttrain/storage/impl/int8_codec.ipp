// SPDX-License-Identifier: Apache-2.0
// Definitions of int8_codec.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/nn/cpu/rows.hpp"
#include "posttrain/nn/cpu/simd.hpp"
#include "posttrain/storage/cuda/int8.hpp"
#include "posttrain/storage/int8_codec.hpp"
#include "posttrain/tensor/cuda/dispatch.hpp"
#include "posttrain/tensor/ops.hpp"
#include "posttrain/tensor/transfer.hpp"

namespace posttrain {

namespace detail {

/// ±10^(i-6) times the means of neighbours of a linear scale of 0.1 … 1 that gets finer with i, 0
/// and 1. In float32 and with torch.linspace's roundings, which the last bits depend on.
inline Tensor make_dynamic_map(bool is_signed) {
  std::vector<float> values{0.0F, 1.0F};
  for (int i = 0; i < 7; ++i) {
    const int steps = 1 << (i + (is_signed ? 0 : 1));
    const float step = (1.0F - 0.1F) / static_cast<float>(steps);
    const auto boundary = [&](int k) {
      return k < (steps + 1) / 2 ? std::fma(step, static_cast<float>(k), 0.1F)
                                 : std::fma(-step, static_cast<float>(steps - k), 1.0F);
    };
    const auto scale = static_cast<float>(std::pow(10.0, i - 6));
    for (int k = 0; k < steps; ++k) {
      const float value = scale * ((boundary(k) + boundary(k + 1)) / 2.0F);
      values.push_back(value);
      if (is_signed) values.push_back(-value);
    }
  }
  std::ranges::sort(values);
  Tensor map = at::empty({256}, at::kFloat);
  std::memcpy(map.mutable_data_ptr<float>(), values.data(), 256 * sizeof(float));
  return map;
}

/// The nearest entry of a map for each of 65,536 points in [-1, 1].
using NearestTable = std::array<std::uint8_t, 65536>;

inline void fill_nearest(const float* map, NearestTable& table) {
  int code = 0;
  for (int i = 0; i < 65536; ++i) {
    const float value = static_cast<float>(2 * i) / 65535.0F - 1.0F;
    while (code < 255 && value > (map[code] + map[code + 1]) * 0.5F) ++code;
    table[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(code);
  }
}

inline const NearestTable& nearest_table(bool is_signed) {
  static const std::array<NearestTable, 2> tables = [] {
    std::array<NearestTable, 2> both{};
    for (const bool sign : {false, true}) {
      fill_nearest(dynamic_map(sign).const_data_ptr<float>(), both[sign ? 1 : 0]);
    }
    return both;
  }();
  return tables[is_signed ? 1 : 0];
}

struct Blocks8Bit {
  std::int64_t blocksize, numel;
  std::uint8_t* codes;
  float* absmax;
  const std::uint8_t* nearest;  // of 65,536
  const float* map;             // of 256
};

template <class Element>
POSTTRAIN_ALWAYS_INLINE float largest_magnitude(const Element* x, std::int64_t count) {
  float largest = 0.0F;
#pragma omp simd reduction(max : largest)
  for (std::int64_t i = 0; i < count; ++i) {
    const float a = std::fabs(simd::load(x, i));
    largest = largest < a ? a : largest;
  }
  return largest;
}

template <class Element>
POSTTRAIN_ALWAYS_INLINE void quantize_8bit_body(const Blocks8Bit& b, const Element* x,
                                                std::int64_t begin, std::int64_t end) {
  constexpr int kPiece = 256;
  std::int32_t grid[kPiece];
  for (std::int64_t block = begin; block < end; ++block) {
    const std::int64_t first = block * b.blocksize;
    const std::int64_t count = std::min(b.blocksize, b.numel - first);
    const Element* from = x + first;
    std::uint8_t* to = b.codes + first;
    const float largest = largest_magnitude(from, count);
    b.absmax[block] = largest;
    if (largest == 0.0F) {
      std::memset(to, 0, static_cast<std::size_t>(count));
      continue;
    }
    const float inverse = 1.0F / largest;
    for (std::int64_t i = 0; i < count; i += kPiece) {
      const std::int64_t piece = std::min<std::int64_t>(kPiece, count - i);
#pragma omp simd
      for (std::int64_t k = 0; k < piece; ++k) {
        const float scaled = simd::load(from, i + k) * inverse;
        const float above = scaled > -1.0F ? scaled : -1.0F;  // a NaN becomes -1
        const float half = ((above < 1.0F ? above : 1.0F) + 1.0F) * 0.5F;
        // Rounded once, as a fused multiply-add is: the product is exact in double.
        const auto point = static_cast<float>(static_cast<double>(half) * 65535.0 + 0.5);
        grid[k] = static_cast<std::int32_t>(point);
      }
      for (std::int64_t k = 0; k < piece; ++k) to[i + k] = b.nearest[grid[k]];
    }
  }
}
POSTTRAIN_SIMD void quantize_8bit_blocks(const Blocks8Bit& b, const float* x, std::int64_t begin,
                                         std::int64_t end) {
  quantize_8bit_body(b, x, begin, end);
}
POSTTRAIN_SIMD void quantize_8bit_blocks(const Blocks8Bit& b, const c10::BFloat16* x,
                                         std::int64_t begin, std::int64_t end) {
  quantize_8bit_body(b, x, begin, end);
}

template <class Element>
POSTTRAIN_ALWAYS_INLINE void dequantize_8bit_body(const Blocks8Bit& b, Element* out,
                                                  std::int64_t begin, std::int64_t end) {
  for (std::int64_t block = begin; block < end; ++block) {
    const std::int64_t first = block * b.blocksize;
    const std::int64_t count = std::min(b.blocksize, b.numel - first);
    const std::uint8_t* codes = b.codes + first;
    const float scale = b.absmax[block];
    Element* to = out + first;
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) simd::store(to, i, b.map[codes[i]] * scale);
  }
}
POSTTRAIN_SIMD void dequantize_8bit_blocks(const Blocks8Bit& b, float* out, std::int64_t begin,
                                           std::int64_t end) {
  dequantize_8bit_body(b, out, begin, end);
}
POSTTRAIN_SIMD void dequantize_8bit_blocks(const Blocks8Bit& b, c10::BFloat16* out,
                                           std::int64_t begin, std::int64_t end) {
  dequantize_8bit_body(b, out, begin, end);
}

/// f(first block, last block) on all threads.
template <class Function>
void for_blocks(std::int64_t numel, std::int64_t blocksize, const Function& f) {
  const std::int64_t blocks = (numel + blocksize - 1) / blocksize;
  at::parallel_for(0, blocks, 1 + 65536 / blocksize, f);
}

/// Flat float32 (or bfloat16, which the kernels read) on the input's device.
inline Tensor flat_float(const Tensor& x) {
  const Tensor flat = x.detach().reshape({-1});
  return (has_cpu_kernel(flat) ? flat : flat.to(at::kFloat)).contiguous();
}

/// A dynamic map of the host where the codes are.
inline Tensor on_device(const Tensor& map, at::Device device) {
  if (map.device() == device) return map;
  const auto size = static_cast<std::size_t>(map.numel());
  return device_constant({map.const_data_ptr<float>(), size}, device);
}

/// Blocks as rows, the last one filled up with zeros.
inline Tensor block_rows(const Tensor& flat, std::int64_t blocksize) {
  const std::int64_t missing = (blocksize - flat.numel() % blocksize) % blocksize;
  return (missing > 0 ? at::constant_pad_nd(flat, {0, missing}) : flat).view({-1, blocksize});
}

/// Blocks as rows with their largest magnitudes, and the rows divided by them.
struct ScaledBlocks {
  Tensor absmax, scaled;

  ScaledBlocks(const Tensor& x, std::int64_t blocksize) {
    const Tensor rows = block_rows(x.detach().reshape({-1}).to(at::kFloat), blocksize);
    absmax = rows.abs().amax(1);
    scaled = rows * absmax.clamp_min(1e-38).reciprocal().unsqueeze(1);
  }
};

inline Quantized8Bit quantize_8bit_generic(const Tensor& x, bool is_signed,
                                           std::int64_t blocksize) {
  const ScaledBlocks blocks(x, blocksize);
  const Tensor above = blocks.scaled.where(blocks.scaled > -1.0, -1.0);  // a NaN becomes -1
  const Tensor half = (above.clamp_max(1.0) + 1.0) * 0.5;
  const Tensor grid = (half.to(at::kDouble) * 65535.0 + 0.5).to(at::kFloat).to(at::kInt);
  const NearestTable& table = nearest_table(is_signed);
  const Tensor nearest =
      at::tensor(at::ArrayRef<std::uint8_t>(table.data(), table.size()), at::kByte).to(x.device());
  const Tensor codes = nearest.index_select(0, grid.view({-1})).view(grid.sizes());
  const Tensor kept = codes.masked_fill((blocks.absmax == 0.0).unsqueeze(1), 0);
  return {kept.view({-1}).narrow(0, 0, x.numel()).view(x.sizes()), blocks.absmax};
}

/// With the nearest entry by exact comparison, as the optimizer has it.
inline Quantized8Bit quantize_8bit_exactly(const Tensor& x, bool is_signed,
                                           std::int64_t blocksize) {
  const ScaledBlocks blocks(x, blocksize);
  const Tensor entries = on_device(dynamic_map(is_signed), x.device());
  const Tensor midpoints = (entries.narrow(0, 0, 255) + entries.narrow(0, 1, 255)) / 2;
  const Tensor codes =
      at::bucketize(blocks.scaled.clamp(-1, 1), midpoints, /*out_int32=*/true).to(at::kByte);
  return {codes.view({-1}).narrow(0, 0, x.numel()).view(x.sizes()), blocks.absmax};
}

inline void dequantize_8bit_generic(const Quantized8Bit& q, const Tensor& map,
                                    std::int64_t blocksize, const Tensor& out) {
  const Tensor values =
      on_device(map, q.codes.device()).index_select(0, q.codes.reshape({-1}).to(at::kInt));
  const Tensor rows = block_rows(values, blocksize) * q.absmax.unsqueeze(1);
  out.copy_(rows.view({-1}).narrow(0, 0, out.numel()).view(out.sizes()));
}

}  // namespace detail

POSTTRAIN_INLINE const Tensor& dynamic_map(bool is_signed) {
  static const std::array<Tensor, 2> maps{detail::make_dynamic_map(false),
                                          detail::make_dynamic_map(true)};
  return maps[is_signed ? 1 : 0];
}

POSTTRAIN_INLINE Quantized8Bit quantize_8bit(const Tensor& x, bool is_signed,
                                             std::int64_t blocksize) {
  at::NoGradGuard no_grad;
  POSTTRAIN_RETURN_ON_CUDA(
      cuda::has_cuda_kernel(x),
      cuda::quantize_int8<Quantized8Bit>(
          x.detach(), detail::on_device(dynamic_map(is_signed), x.device()), blocksize));
  const Tensor flat = detail::flat_float(x);
  if (!detail::has_cpu_kernel(flat)) return detail::quantize_8bit_generic(x, is_signed, blocksize);
  Quantized8Bit q{at::empty(x.sizes(), at::kByte),
                  at::empty({(x.numel() + blocksize - 1) / blocksize}, at::kFloat)};
  const detail::Blocks8Bit blocks{blocksize,
                                  x.numel(),
                                  q.codes.mutable_data_ptr<std::uint8_t>(),
                                  q.absmax.mutable_data_ptr<float>(),
                                  detail::nearest_table(is_signed).data(),
                                  nullptr};
  detail::with_element_type(flat, [&](auto element) {
    const auto* values = flat.const_data_ptr<decltype(element)>();
    detail::for_blocks(x.numel(), blocksize, [&](std::int64_t begin, std::int64_t end) {
      detail::quantize_8bit_blocks(blocks, values, begin, end);
    });
  });
  return q;
}

POSTTRAIN_INLINE void dequantize_8bit(const Quantized8Bit& q, const Tensor& map,
                                      std::int64_t blocksize, const Tensor& out) {
  at::NoGradGuard no_grad;
  POSTTRAIN_RETURN_ON_CUDA(
      cuda::has_cuda_kernel(out) && q.codes.is_cuda(),
      cuda::dequantize_int8(q.codes, q.absmax, detail::on_device(map, q.codes.device()), out,
                            blocksize));
  if (!detail::has_cpu_kernel(out) || !q.codes.is_cpu()) {
    return detail::dequantize_8bit_generic(q, map, blocksize, out);
  }
  const detail::Blocks8Bit blocks{blocksize,
                                  out.numel(),
                                  const_cast<std::uint8_t*>(q.codes.const_data_ptr<std::uint8_t>()),
                                  const_cast<float*>(q.absmax.const_data_ptr<float>()),
                                  nullptr,
                                  map.const_data_ptr<float>()};
  detail::with_element_type(out, [&](auto element) {
    auto* values = out.mutable_data_ptr<decltype(element)>();
    detail::for_blocks(out.numel(), blocksize, [&](std::int64_t begin, std::int64_t end) {
      detail::dequantize_8bit_blocks(blocks, values, begin, end);
    });
  });
}

}  // namespace posttrain
