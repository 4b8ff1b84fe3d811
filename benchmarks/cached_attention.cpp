// SPDX-License-Identifier: Apache-2.0
// Times the attention of decoding: rows that share a prompt, each with a tail of its own, over
// caches that no processor cache holds. Three ways, interleaved in one process, minima:
//   new: one call; previous: prompts by the blocked kernel, tails row by row, then merged;
//   unshared: every row reads its own copy of the prompt.
// One JSON object per line; `share` is the part of the limit that "new" reaches: the longer one of
// reading its keys and values at the measured bandwidth and its products at the best product's
// speed. Usage: cached_attention [repeats]
#include <ATen/ops/randn.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <limits>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/nn/attention.hpp"
#include "posttrain/nn/impl/attention.ipp"  // the ways that attention_forward chooses between
#include "posttrain/tensor/allocator.hpp"
#include "posttrain/tensor/ops.hpp"

namespace {

using namespace posttrain;

constexpr std::int64_t kDim = 64, kHeads = 8;
int repeats = 9;

double seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double best_of(int times, const std::function<void()>& work) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < times; ++i) best = std::min(best, seconds(work));
  return best;
}

// Bytes per second of a sum over 256 MiB.
double read_bandwidth() {
  constexpr std::int64_t kCount = std::int64_t{64} << 20;
  const Tensor x = at::ones({kCount}, at::kFloat);
  return 4.0 * kCount / best_of(5, [&] { x.sum(); });
}

// Operations per second of the products that the kernels are made of, on all threads.
double product_speed([[maybe_unused]] at::ScalarType type) {
  double best = 0;
#ifdef POSTTRAIN_HAS_BRGEMM
  constexpr std::int64_t kSide = 64, kProducts = 2000;
  const Tensor a = at::randn({kSide, kSide}, at::kFloat).to(type);
  posttrain::detail::with_element_type(a, [&](auto element) {
    const auto* x = a.const_data_ptr<decltype(element)>();
    const double time = best_of(9, [&] {
      at::parallel_for(0, at::get_num_threads(), 1, [&](std::int64_t, std::int64_t) {
        std::vector<float> c(kSide * kSide);
        for (std::int64_t i = 0; i < kProducts; ++i) {
          posttrain::detail::tile_product(kSide, kSide, kSide, x, kSide, x, kSide, c.data(), kSide,
                                          false);
        }
      });
    });
    best = 2.0 * kSide * kSide * kSide * kProducts * at::get_num_threads() / time;
  });
#endif
  return best;
}

struct Limits {
  double bandwidth, products;
};

// Rows over one prompt, with tails of 1 … 63 keys behind it, or each over its own copy.
std::vector<AttentionPart> shared_parts(std::int64_t rows, std::int64_t prompt) {
  std::vector<AttentionPart> parts{{0, rows, 0, prompt, false, 0, 0}};
  std::int64_t begin = prompt;
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t tail = 1 + (r * 37 + 31) % 63;
    parts.push_back({r, r + 1, begin, begin + tail, true, prompt + tail - 1, prompt});
    begin += tail;
  }
  return parts;
}

std::vector<AttentionPart> copied_parts(const std::vector<AttentionPart>& shared) {
  std::vector<AttentionPart> parts;
  std::int64_t begin = 0;
  for (std::size_t i = 1; i < shared.size(); ++i) {
    const std::int64_t keys = shared[0].k1 + shared[i].k1 - shared[i].k0;
    parts.push_back({shared[i].q0, shared[i].q1, begin, begin + keys, true, keys - 1, 0});
    begin += keys;
  }
  return parts;
}

AttentionResult previous(const Tensor& q, const Tensor& k, const Tensor& v,
                         const std::vector<AttentionPart>& parts, const AttentionOptions& options) {
  const std::vector<AttentionPart> prompt{parts[0]}, tails(parts.begin() + 1, parts.end());
  return posttrain::detail::merge_attention(
      posttrain::detail::attention_forward_few(q, k, v, tails, options),
      posttrain::detail::attention_forward_tiled(q, k, v, prompt, options));
}

void compare(at::ScalarType type, std::int64_t kv_heads, std::int64_t prompt, std::int64_t rows,
             Limits& limits) {
  const std::vector<AttentionPart> shared = shared_parts(rows, prompt);
  const std::vector<AttentionPart> copied = copied_parts(shared);
  const AttentionParts parts(shared), apart(copied);
  const auto key_bytes =
      static_cast<double>(2 * kv_heads * kDim) * (type == at::kFloat ? 4.0 : 2.0);
  // A model's weights pass between two calls over the same keys; here other layers' keys do.
  const auto pools = [&](std::int64_t keys, bool random) {
    const std::int64_t layers =
        1 + static_cast<std::int64_t>(128e6 / (key_bytes * static_cast<double>(keys)));
    Tensors made;
    for (std::int64_t i = 0; i < 2 * std::min<std::int64_t>(layers, 64); ++i) {
      made.push_back(random ? at::randn({keys, kv_heads, kDim}, at::kFloat).to(type)
                            : at::ones({keys, kv_heads, kDim}, type));
    }
    return made;
  };
  const Tensors ours = pools(shared.back().k1, true), copies = pools(copied.back().k1, false);
  const Tensor qkv = at::randn({rows, kHeads + 2 * kv_heads, kDim}, at::kFloat).to(type);
  const Tensor q = qkv.narrow(1, 0, kHeads);
  const AttentionOptions options{0.125};
  // The shortest of calls that read other keys each time.
  const auto layers = [&](const Tensors& pool, const auto& call) {
    double best = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < pool.size(); i += 2) {
      best = std::min(best, seconds([&] { call(pool[i], pool[i + 1]); }));
    }
    return best;
  };
  const Tensor difference =
      attention_forward(q, ours[0], ours[1], parts, options).out.to(at::kFloat) -
      previous(q, ours[0], ours[1], shared, options).out.to(at::kFloat);
  if (difference.abs().max().item<float>() > (type == at::kFloat ? 1e-5F : 2e-2F)) {
    raise("the results of the ways to compare differ");
  }
  // Both limits again: other processes may have slowed the first measurement.
  limits.bandwidth = std::max(limits.bandwidth, read_bandwidth());
  limits.products = std::max(limits.products, product_speed(type));
  double now = 1e9, before = 1e9, unshared = 1e9;
  for (int i = 0; i <= repeats; ++i) {
    now = std::min(now, layers(ours, [&](const Tensor& k, const Tensor& v) {
                     attention_forward(q, k, v, parts, options);
                   }));
    before = std::min(before, layers(ours, [&](const Tensor& k, const Tensor& v) {
                        previous(q, k, v, shared, options);
                      }));
    unshared = std::min(unshared, layers(copies, [&](const Tensor& k, const Tensor& v) {
                          attention_forward(q, k, v, apart, options);
                        }));
  }
  const double bytes = key_bytes * static_cast<double>(shared.back().k1);
  const double operations = 4.0 * kHeads * kDim * static_cast<double>(copied.back().k1);
  const double limit = std::max(bytes / limits.bandwidth, operations / limits.products);
  fmt::print(
      "{{\"kernel\": \"cached attention\", \"dtype\": \"{}\", \"threads\": {}, \"kv_heads\": {}, "
      "\"prompt\": {}, \"rows\": {}, \"new_us\": {:.1f}, \"previous_us\": {:.1f}, "
      "\"unshared_us\": {:.1f}, \"gflops\": {:.1f}, \"gb_s\": {:.1f}, \"share\": {:.2f}}}\n",
      type == at::kFloat ? "float32" : "bfloat16", at::get_num_threads(), kv_heads, prompt, rows,
      now * 1e6, before * 1e6, unshared * 1e6, operations / now / 1e9, bytes / now / 1e9,
      limit / now);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The attention of decoding, with prompts shared and not");
  app.add_option("repeats", repeats)->check(CLI::Range(1, 1000));
  CLI11_PARSE(app, argc, argv);
  tune_allocator();
  const double bandwidth = read_bandwidth();
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    Limits limits{bandwidth, product_speed(type)};
    fmt::print("{{\"dtype\": \"{}\", \"read_gb_s\": {:.1f}, \"product_gflops\": {:.1f}}}\n",
               type == at::kFloat ? "float32" : "bfloat16", limits.bandwidth / 1e9,
               limits.products / 1e9);
    for (const std::int64_t kv_heads : {8, 2}) {
      for (const std::int64_t prompt : {256, 1024, 4096}) {
        for (const std::int64_t rows : {16, 64}) compare(type, kv_heads, prompt, rows, limits);
      }
    }
  }
}
