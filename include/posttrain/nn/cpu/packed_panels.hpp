// SPDX-License-Identifier: Apache-2.0
// Products with a matrix that was packed once: its panels, and the loops that read them.
//
// A panel is 48 rows of W, transposed and read from front to back: 3 registers of AVX-512 beside
// each other, and sums of 8 rows of x fill the registers. bfloat16 has pairs along `in` interleaved
// (VNNI). In float32 the loops below read panels at the memory's speed, LibTorch's `brgemm` at 0.6
// to 0.8 of it; brgemm does what the loops cannot: products of bfloat16, registers that are too
// few, compilers that do not vectorise. One accumulator per number, to which products are added in
// the order of `in`, whatever the number of rows: so both agree bit for bit, and where they do not,
// brgemm does all.
#pragma once

#include "posttrain/nn/cpu/attention.hpp"

#ifdef POSTTRAIN_HAS_BRGEMM

#include <bit>
#include <cstdint>
#include <exception>
#include <vector>

namespace posttrain::detail {

inline constexpr std::int64_t kPanelColumns = 48;
/// Rows of x that go over a piece of a panel while it is in the cache.
inline constexpr std::int64_t kPanelRows = 64;
/// Up to so many rows of bfloat16 the loops are faster than products of bfloat16.
inline constexpr std::int64_t kFewHalfRows = 4;
/// Rows of one call of brgemm where blocks are fixed.
inline constexpr std::int64_t kFixedRows = 8;

/// Whether brgemm computes float32 here (it wants AVX2).
inline bool float_products_work() {
  static const bool work = [] {
    const float a[2] = {2.0F, 3.0F};
    float b[2 * 16], c[16] = {};
    for (int i = 0; i < 32; ++i) b[i] = static_cast<float>(i);
    try {
      tile_product(1, 16, 2, a, 2, b, 16, c, 16, false);
    } catch (const std::exception&) {
      return false;
    }
    return c[0] == 48.0F && c[15] == 123.0F;
  }();
  return work;
}

// 16 numbers that are computed with as one; compilers split them where registers are shorter.
// Behind `auto` the alignment would be lost.
using Lanes [[gnu::vector_size(64), gnu::aligned(4), gnu::may_alias]] = float;
using LaneBits [[gnu::vector_size(64), gnu::aligned(4), gnu::may_alias]] = std::uint32_t;

/// What a piece of a panel is multiplied with, and where to: c [rows][48] = or += x [rows][depth]
/// b.
struct PanelRows {
  const float* x;
  std::int64_t x_stride, depth;
  float* c;
  std::int64_t c_stride;
  bool add;
};

// Sums stay in registers only if nothing of these loops is left.
#ifdef __clang__
#define POSTTRAIN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define POSTTRAIN_UNROLL _Pragma("GCC unroll 8")
#endif

template <int rows, class Stored>
POSTTRAIN_ALWAYS_INLINE void panel_rows_body(const Stored* panel, const PanelRows& to) {
  Lanes sum[rows][3];
  POSTTRAIN_UNROLL
  for (int r = 0; r < rows; ++r) {
    POSTTRAIN_UNROLL
    for (int j = 0; j < 3; ++j) sum[r][j] = Lanes{};
  }
  constexpr std::int64_t kStep = 4 / sizeof(Stored);
  for (std::int64_t k = 0; k < to.depth; k += kStep) {
    Lanes b[kStep][3];
    POSTTRAIN_UNROLL
    for (int j = 0; j < 3; ++j) {
      if constexpr (kStep == 1) {
        b[0][j] = *reinterpret_cast<const Lanes*>(panel + k * kPanelColumns + j * 16);
      } else {
        const LaneBits pairs =
            *reinterpret_cast<const LaneBits*>(panel + k * kPanelColumns + j * 32);
        b[0][j] = reinterpret_cast<Lanes>(pairs << 16U);
        b[1][j] = reinterpret_cast<Lanes>(pairs & 0xFFFF0000U);
      }
    }
    POSTTRAIN_UNROLL
    for (int i = 0; i < kStep; ++i) {
      POSTTRAIN_UNROLL
      for (int r = 0; r < rows; ++r) {
        const float x = to.x[r * to.x_stride + k + i];
        POSTTRAIN_UNROLL
        for (int j = 0; j < 3; ++j) sum[r][j] += x * b[i][j];
      }
    }
  }
  POSTTRAIN_UNROLL
  for (int r = 0; r < rows; ++r) {
    POSTTRAIN_UNROLL
    for (int j = 0; j < 3; ++j) {
      Lanes* c = reinterpret_cast<Lanes*>(to.c + r * to.c_stride + j * 16);
      *c = to.add ? *c + sum[r][j] : sum[r][j];
    }
  }
}
#undef POSTTRAIN_UNROLL

#define POSTTRAIN_PANEL_ROWS(name, rows, Stored)                       \
  POSTTRAIN_SIMD void name(const Stored* panel, const PanelRows& to) { \
    panel_rows_body<rows>(panel, to);                                  \
  }
POSTTRAIN_PANEL_ROWS(panel_row, 1, float)
POSTTRAIN_PANEL_ROWS(panel_rows_2, 2, float)
POSTTRAIN_PANEL_ROWS(panel_rows_4, 4, float)
POSTTRAIN_PANEL_ROWS(panel_rows_8, 8, float)
POSTTRAIN_PANEL_ROWS(panel_row, 1, BFloat16)
POSTTRAIN_PANEL_ROWS(panel_rows_2, 2, BFloat16)
POSTTRAIN_PANEL_ROWS(panel_rows_4, 4, BFloat16)
POSTTRAIN_PANEL_ROWS(panel_rows_8, 8, BFloat16)
#undef POSTTRAIN_PANEL_ROWS

/// Any number of rows, eight at once and then what is left.
template <class Stored>
void loop_rows(std::int64_t rows, const Stored* panel, PanelRows to) {
  while (rows > 0) {
    const std::int64_t now = rows >= 8 ? 8 : rows >= 4 ? 4 : rows >= 2 ? 2 : 1;
    now == 8   ? panel_rows_8(panel, to)
    : now == 4 ? panel_rows_4(panel, to)
    : now == 2 ? panel_rows_2(panel, to)
               : panel_row(panel, to);
    rows -= now;
    to.x += now * to.x_stride;
    to.c += now * to.c_stride;
  }
}

/// A piece of a bfloat16 panel [depth][48] in float32.
POSTTRAIN_SIMD void widen_panel(const BFloat16* panel, std::int64_t depth, float* out) {
  for (std::int64_t k = 0; k < depth; k += 2) {
    const auto* pairs = reinterpret_cast<const std::uint32_t*>(panel + k * kPanelColumns);
    float *even = out + k * kPanelColumns, *odd = even + kPanelColumns;
#pragma omp simd
    for (std::int64_t j = 0; j < kPanelColumns; ++j) {
      even[j] = std::bit_cast<float>(pairs[j] << 16U);
      odd[j] = std::bit_cast<float>(pairs[j] & 0xFFFF0000U);
    }
  }
}

/// brgemm of `rows` rows at once or, `fixed`, of kFixedRows, of which `rows` is a multiple.
template <class Element>
void multiply_panel(std::int64_t rows, std::int64_t depth, const Element* x, std::int64_t x_stride,
                    const Element* panel, float* c, std::int64_t c_stride, bool add, bool fixed) {
  const std::int64_t step = fixed ? kFixedRows : rows;
  for (std::int64_t r = 0; r < rows; r += step) {
    tile_product(step, kPanelColumns, depth, x + r * x_stride, x_stride, panel, kPanelColumns,
                 c + r * c_stride, c_stride, add);
  }
}

/// Whether the loops give brgemm's bits here. They do where the compiler fuses multiplications with
/// additions: not without optimisation, nor in clang without -march.
template <class Stored>
bool loops_agree() {
  static const bool agree = [] {
    constexpr std::int64_t kRows = 15, kDepth = 62, kCount = kDepth * kPanelColumns;
    std::vector<Stored> panel(kCount);
    std::vector<float> x(kRows * kDepth), wide(kCount), mine(kRows * kPanelColumns), theirs(mine);
    const auto some = [](std::int64_t i) { return static_cast<float>(i * i % 8191) / 4099.0F - 1; };
    for (std::int64_t i = 0; i < kCount; ++i) panel[i] = static_cast<Stored>(some(i));
    for (std::int64_t i = 0; i < kRows * kDepth; ++i) x[i] = some(31 * i + 7);
    if constexpr (std::is_same_v<Stored, float>) {
      wide = panel;
    } else {
      widen_panel(panel.data(), kDepth, wide.data());
    }
    for (const bool add : {false, true}) {
      loop_rows(kRows, panel.data(), {x.data(), kDepth, kDepth, mine.data(), kPanelColumns, add});
      tile_product(kRows, kPanelColumns, kDepth, x.data(), kDepth, wide.data(), kPanelColumns,
                   theirs.data(), kPanelColumns, add);
    }
    return mine == theirs;
  }();
  return agree;
}

/// Whether there are the registers of AVX-512 for the sums of more than two rows.
inline bool has_wide_registers() {
#if defined(__AVX512F__)
  return true;
#elif defined(__x86_64__) && !defined(__clang__)
  static const bool wide = __builtin_cpu_supports("avx512bw") != 0;
  return wide;
#else
  return false;
#endif
}

/// Whether the loops take this many rows: they agree and have the registers.
template <class Stored>
bool loops_take(std::int64_t rows) {
  return (rows <= 2 || has_wide_registers()) && loops_agree<Stored>();
}

/// Rows by the loops, if they take them.
template <class Stored>
bool multiply_by_loops(std::int64_t rows, const Stored* panel, const PanelRows& to) {
  if (!loops_take<Stored>(rows)) return false;
  loop_rows(rows, panel, to);
  return true;
}

// The three ways to multiply. `kDepth` numbers of `in` make a piece: with 64 rows of x it fits the
// second-level cache; widened, the first.
struct FloatPanels {
  using Input = float;
  using Stored = float;
  static constexpr std::int64_t kDepth = 2048;
  void operator()(std::int64_t rows, std::int64_t depth, const float* x, std::int64_t x_stride,
                  const float* panel, float* c, std::int64_t c_stride, bool add, bool fixed) {
    if (multiply_by_loops(rows, panel, {x, x_stride, depth, c, c_stride, add})) return;
    multiply_panel(rows, depth, x, x_stride, panel, c, c_stride, add, fixed);
  }
};
struct Bfloat16Panels {
  using Input = BFloat16;
  using Stored = BFloat16;
  static constexpr std::int64_t kDepth = 2048;
  void operator()(std::int64_t rows, std::int64_t depth, const BFloat16* x, std::int64_t x_stride,
                  const BFloat16* panel, float* c, std::int64_t c_stride, bool add, bool fixed) {
    multiply_panel(rows, depth, x, x_stride, panel, c, c_stride, add, fixed);
  }
};
struct WidenedPanels {
  using Input = float;
  using Stored = BFloat16;
  static constexpr std::int64_t kDepth = 128;
  alignas(64) float wide[kDepth * kPanelColumns];
  void operator()(std::int64_t rows, std::int64_t depth, const float* x, std::int64_t x_stride,
                  const BFloat16* panel, float* c, std::int64_t c_stride, bool add, bool fixed) {
    if (multiply_by_loops(rows, panel, {x, x_stride, depth, c, c_stride, add})) return;
    widen_panel(panel, depth, wide);
    multiply_panel(rows, depth, x, x_stride, wide, c, c_stride, add, fixed);
  }
};

/// One panel of w [out, in], rows contiguous: [depth][48], zeros beyond `in` and `count` rows.
/// bfloat16: `in` and the stride are even.
template <class Element>
void pack_panel(const Element* w, std::int64_t stride, std::int64_t count, std::int64_t in,
                std::int64_t depth, Element* panel) {
  constexpr std::int64_t kPerUnit = 4 / sizeof(Element);
  if (count < kPanelColumns || in < depth) {
    std::memset(panel, 0, sizeof(Element) * static_cast<std::size_t>(depth * kPanelColumns));
  }
  transpose_units(reinterpret_cast<const std::uint32_t*>(w), stride / kPerUnit, count,
                  in / kPerUnit, reinterpret_cast<std::uint32_t*>(panel), kPanelColumns);
}

/// y [m, out] = x [rows ≥ m, depth] times the panels; `fixed`: rows is a multiple of kFixedRows.
template <class Panels, class Output>
void multiply_panels(const Tensor& x, const Tensor& panels, const Tensor& y, bool fixed) {
  using Input = typename Panels::Input;
  using Stored = typename Panels::Stored;
  const std::int64_t m = y.size(0), out = y.size(1), depth = panels.size(1);
  const std::int64_t x_stride = x.stride(0), rows = x.size(0);
  const auto* input = x.const_data_ptr<Input>();
  const auto* stored = panels.const_data_ptr<Stored>();
  auto* result = y.mutable_data_ptr<Output>();
  const std::int64_t grain = std::max<std::int64_t>(1, (1 << 16) / (depth * kPanelColumns));
  at::parallel_for(0, panels.size(0), grain, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) float scratch[kPanelRows * kPanelColumns];
    Panels multiply;
    for (std::int64_t panel = begin; panel < end; ++panel) {
      const std::int64_t column = panel * kPanelColumns;
      const std::int64_t columns = std::min(kPanelColumns, out - column);
      for (std::int64_t row = 0; row < m; row += kPanelRows) {
        const std::int64_t here = std::min(kPanelRows, rows - row);
        const std::int64_t kept = std::min(here, m - row);
        float* c = scratch;
        std::int64_t c_stride = kPanelColumns;
        bool direct = false;
        if constexpr (std::is_same_v<Output, float>) {
          direct = columns == kPanelColumns && kept == here;
          if (direct) c = result + row * out + column, c_stride = out;
        }
        for (std::int64_t k = 0; k < depth; k += Panels::kDepth) {
          multiply(here, std::min(Panels::kDepth, depth - k), input + row * x_stride + k, x_stride,
                   stored + (panel * depth + k) * kPanelColumns, c, c_stride, k > 0, fixed);
        }
        for (std::int64_t r = 0; r < kept && !direct; ++r) {
          scale_row(scratch + r * kPanelColumns, 1.0F, columns, result + (row + r) * out + column);
        }
      }
    }
    at::native::cpublas::brgemm_release();
  });
}

}  // namespace posttrain::detail

#endif  // POSTTRAIN_HAS_BRGEMM
