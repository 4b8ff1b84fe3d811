// SPDX-License-Identifier: Apache-2.0
// Attention by LibTorch's FlashAttention against plain operations in float64.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "posttrain/nn/attention.hpp"
#include "posttrain/nn/attention_generic.hpp"
#include "posttrain/nn/cuda/flash_attention.hpp"
#include "support/kernels.hpp"

namespace posttrain::test {

/// Two trees, of three levels and of one, and a root alone; 36 · scale tokens.
inline std::vector<Segment> some_forest(std::int64_t scale = 1) {
  std::vector<Segment> nodes{{0, 10, 28, 0},   {10, 16, 24, 10}, {16, 18, 18, 16}, {18, 24, 24, 16},
                             {24, 28, 28, 10}, {28, 29, 29, 0},  {29, 36, 36, 0}};
  for (Segment& node : nodes) {
    for (std::int64_t* number : {&node.begin, &node.end, &node.subtree_end, &node.position}) {
      *number *= scale;
    }
  }
  return nodes;
}

struct AttentionHeads {
  std::int64_t queries = 4, keys = 2, size = 16;
};

struct AttentionInputs {
  Tensor q, k, v, dy;
  AttentionInputs(std::int64_t queries, std::int64_t keys, at::ScalarType type, at::Device device,
                  const AttentionHeads& heads = {})
      : q(drawn(queries, heads.queries, heads.size, 1, type, device)),
        k(drawn(keys, heads.keys, heads.size, 2, type, device)),
        v(drawn(keys, heads.keys, heads.size, 3, type, device)),
        dy(drawn(queries, heads.queries, heads.size, 4, type, device)) {}

 private:
  static Tensor drawn(std::int64_t rows, std::int64_t heads, std::int64_t size, std::uint64_t seed,
                      at::ScalarType type, at::Device device) {
    return kernel_test::normal({rows, heads, size}, seed, type).to(device);
  }
};

/// Against the largest value, or 1: in a window of one key the gradients of q and k are 0.
inline double attention_error(const Tensor& a, const Tensor& b) {
  const double largest = b.abs().max().item().toDouble();
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item().toDouble() /
         std::max(1.0, largest);
}

/// The errors of out, lse, dq, dk, dv.
inline std::vector<double> attention_errors(const AttentionInputs& in, const AttentionParts& parts,
                                            const AttentionOptions& options) {
  const auto wide = [](const Tensor& x) { return x.to(at::kDouble); };
  const AttentionResult expected =
      attention_forward_generic(wide(in.q), wide(in.k), wide(in.v), parts.list(), options);
  const AttentionResult actual = attention_forward_flash(in.q, in.k, in.v, parts, options);
  const AttentionGradients wanted = attention_backward_generic(
      wide(in.dy), wide(in.q), wide(in.k), wide(in.v), expected, parts.list(), options);
  const AttentionGradients got =
      attention_backward_flash(in.dy, in.q, in.k, in.v, actual, parts, options);
  const auto seen = [](const Tensor& lse) { return lse.clamp_min(-1e30); };
  return {attention_error(actual.out, expected.out),
          attention_error(seen(actual.lse), seen(expected.lse)), attention_error(got.q, wanted.q),
          attention_error(got.k, wanted.k), attention_error(got.v, wanted.v)};
}

}  // namespace posttrain::test
