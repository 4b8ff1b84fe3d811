// SPDX-License-Identifier: Apache-2.0
// Times products with few rows, y = x wᵀ: at::mm, matmul_nt, and panels that were packed before
// (nn/packed_matrix.hpp), any blocks and fixed ones, beside a sum that reads as much memory,
// interleaved in one process. One JSON object per line:
//   {"dtype": …, "out": …, "in": …, "m": …, "mm_us": …, "matmul_nt_us": …, "packed_us": …,
//    "fixed_us": …, "gflop_s": …, "gb_s": …, "read_gb_s": …, "share_of_read": …, "mm_ratio": …}
// Usage: packed_products [repeats] [--rows M...] [--out OUT...]. The figures are minima; every time
// counts matrices of 64 MB in all, so that they come from memory, as in a model. Results are
// compared first.
#include <ATen/ops/randn.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <limits>
#include <vector>

#include "posttrain/nn/gemm.hpp"
#include "posttrain/nn/packed_matrix.hpp"
#include "posttrain/tensor/allocator.hpp"
#include "posttrain/tensor/ops.hpp"

namespace {

using namespace posttrain;

int repeats = 7;
constexpr double kBytes = 64 << 20;

double microseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
      .count();
}

double relative_error(const Tensor& a, const Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

void compare(at::ScalarType type, std::int64_t out, std::int64_t in, std::int64_t m) {
  const double bytes = static_cast<double>(out * in) * (type == at::kFloat ? 4 : 2);
  const int count = std::max(1, static_cast<int>(kBytes / bytes));
  std::vector<Tensor> weights;
  std::vector<PackedMatrix> packed;
  for (int i = 0; i < count; ++i) {
    weights.push_back(at::randn({out, in}, at::kFloat).to(type));
    packed.emplace_back(weights.back());
  }
  const Tensor x = at::randn({m, in}, at::kFloat).to(type);
  const Tensor exact = at::mm(x.to(at::kDouble), weights[0].to(at::kDouble).t());
  for (const RowBlocks blocks : {RowBlocks::any, RowBlocks::fixed}) {
    const double error = relative_error(packed[0].times(x, blocks).to(at::kDouble), exact);
    if (error > (type == at::kFloat ? 3e-6 : 5e-3)) {
      fmt::print(stderr, "[{}, {}] times {} rows is wrong by {}\n", out, in, m, error);
      std::exit(1);
    }
  }
  static const Tensor memory = at::ones({static_cast<std::int64_t>(kBytes) / 4}, at::kFloat);
  const std::vector<std::function<void(int)>> ways = {
      [&](int i) { at::mm(x, weights[static_cast<std::size_t>(i)].t()); },
      [&](int i) { matmul_nt(x, weights[static_cast<std::size_t>(i)]); },
      [&](int i) { packed[static_cast<std::size_t>(i)].times(x); },
      [&](int i) { packed[static_cast<std::size_t>(i)].times(x, RowBlocks::fixed); },
  };
  double read = std::numeric_limits<double>::infinity();
  std::vector<double> best(ways.size(), std::numeric_limits<double>::infinity());
  for (int repeat = 0; repeat < repeats; ++repeat) {
    read = std::min(read, microseconds([&] {
                      if (at::sum(memory).item<double>() < 0) std::abort();
                    }));
    for (std::size_t way = 0; way < ways.size(); ++way) {
      const double time = microseconds([&] {
        for (int i = 0; i < count; ++i) ways[way](i);
      });
      best[way] = std::min(best[way], time / count);
    }
  }
  const double gb_s = bytes / best[2] * 1e-3, read_gb_s = kBytes / read * 1e-3;
  fmt::print(
      "{{\"dtype\": \"{}\", \"out\": {}, \"in\": {}, \"m\": {}, \"mm_us\": {:.1f}, "
      "\"matmul_nt_us\": {:.1f}, \"packed_us\": {:.1f}, \"fixed_us\": {:.1f}, \"gflop_s\": {:.1f}, "
      "\"gb_s\": {:.1f}, \"read_gb_s\": {:.1f}, \"share_of_read\": {:.2f}, \"mm_ratio\": {:.2f}, "
      "\"matmul_nt_ratio\": "
      "{:.2f}}}\n",
      type == at::kFloat ? "float32" : "bfloat16", out, in, m, best[0], best[1], best[2], best[3],
      2e-3 * static_cast<double>(m * out * in) / best[2], gb_s, read_gb_s, gb_s / read_gb_s,
      best[0] / best[2], best[1] / best[2]);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Products with few rows");
  std::vector<std::int64_t> all_rows{1, 2, 4, 8, 16, 32, 64}, outs{1536, 3072, 512, 32000};
  app.add_option("repeats", repeats)->check(CLI::Range(1, 1000));
  app.add_option("--rows", all_rows);
  app.add_option("--out", outs, "only shapes with these numbers of rows of w");
  CLI11_PARSE(app, argc, argv);
  tune_allocator();
  at::NoGradGuard no_grad;
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    for (const auto& shape : std::vector<std::vector<std::int64_t>>{
             {1536, 512}, {3072, 512}, {512, 1536}, {32000, 512}}) {
      if (std::ranges::find(outs, shape[0]) == outs.end()) continue;
      for (const std::int64_t m : all_rows) {
        compare(type, shape[0], shape[1], m);
      }
    }
  }
}
