// SPDX-License-Identifier: Apache-2.0
// LibTorch's FlashAttention by parts against dense float64: forests with gaps between the queries
// of a depth, windows, prefixes, caches, rows that see nothing; heads of several sizes. Then its
// speed on packed rows.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gpu/program.hpp"
#include "support/attention_errors.hpp"

namespace posttrain::gpu {

struct AttentionCheck {
  Common common;

  void add_to(CLI::App& /*app*/) {}

  void run() const {
    const Device device(common.device);
    const std::int64_t scale = common.tiny ? 1 : 48;
    const std::vector<Segment> forest = test::some_forest(scale);
    const std::int64_t tokens = 36 * scale, prefix = 3 * scale;
    std::vector<test::AttentionHeads> all_heads{{4, 2, 16}};
    if (!common.tiny) {
      all_heads = {{14, 2, 64}, {16, 8, 128}, {32, 8, 128}, {4, 1, 256}, {4, 4, 72}};
    }
    for (const test::AttentionHeads& heads : all_heads) {
      for (const std::int64_t window : {std::int64_t{0}, std::int64_t{1}, 9 * scale}) {
        const std::string name = fmt::format("heads {}/{} of {}, window {}", heads.queries,
                                             heads.keys, heads.size, window);
        check(name + ", forest", {tokens, tokens, at::kBFloat16, device, heads},
              attention_parts(forest, window), window);
        check(name + ", behind a prefix", {tokens, tokens + prefix, at::kBFloat16, device, heads},
              attention_parts_after_prefix(forest, prefix, window), window);
        // Samples of one token over caches of different lengths; the last row sees nothing.
        check(name + ", caches", {4, 30 * scale, at::kBFloat16, device, heads},
              {{0, 1, 0, 7 * scale, true, 7 * scale - 1, 0},
               {1, 2, 7 * scale, 29 * scale, true, 22 * scale - 1, 0},
               {2, 3, 29 * scale, 30 * scale, true, scale - 1, 0}},
              window);
        // Two rows of a prompt, a gap of rows without a key, and rows that see keys before theirs.
        check(name + ", gaps", {tokens, tokens, at::kBFloat16, device, heads},
              {{0, 2, 0, 6, true, 1, 0}, {5 * scale, tokens, 6, tokens, false, tokens - 6, 0}},
              window);
      }
    }
    measure(device);
  }

 private:
  static void check(const std::string& name, const test::AttentionInputs& in,
                    const AttentionParts& parts, std::int64_t window) {
    const double scale = 1.0 / std::sqrt(static_cast<double>(in.q.size(2)));
    const std::vector<double> errors = test::attention_errors(in, parts, {scale, 0.0, window});
    double worst = 0.0;
    for (const double error : errors) {
      if (!(error <= worst)) worst = error;
    }
    say_check(name, worst, 1.2e-2);
  }

  void measure(const Device& device) const {
    const std::int64_t rows = common.tiny ? 2 : 8, length = common.tiny ? 8 : 2048;
    const test::AttentionHeads heads{16, 8, common.tiny ? 16 : 128};
    const auto options = at::TensorOptions(device).dtype(at::kFloat);
    const auto drawn = [&](std::int64_t count) {
      const Tensor numbers = at::arange(rows * length * count * heads.size, options);
      return numbers.mul(1.3).sin().to(at::kBFloat16).view({rows * length, count, heads.size});
    };
    const Tensor q = drawn(heads.queries), k = drawn(heads.keys), v = drawn(heads.keys);
    std::vector<Segment> nodes;
    for (std::int64_t i = 0; i < rows; ++i) {
      nodes.push_back({i * length, (i + 1) * length, (i + 1) * length, 0});
    }
    const AttentionParts parts = attention_parts(nodes);
    const AttentionOptions with{1.0 / std::sqrt(static_cast<double>(heads.size))};
    AttentionResult result;
    const double forward = seconds_of(device, common.tiny ? 1 : 10, [&] {
      result = attention_forward_flash(q, k, v, parts, with);
    });
    const double backward = seconds_of(device, common.tiny ? 1 : 10, [&] {
      attention_backward_flash(q, q, k, v, result, parts, with);
    });
    // Two products over the visible half forward, five backward.
    const double product = static_cast<double>(rows * length * length * heads.queries * heads.size);
    say({{"attention", fmt::format("{} rows of {}, heads {}/{} of {}", rows, length, heads.queries,
                                   heads.keys, heads.size)},
         {"forward_tflops", 2.0 * product / forward / 1e12},
         {"backward_tflops", 5.0 * product / backward / 1e12}});
  }
};

}  // namespace posttrain::gpu
