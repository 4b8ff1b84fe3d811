// SPDX-License-Identifier: Apache-2.0
// Times the kernels against plain ATen, interleaved in one process; one JSON object per line:
//   {"kernel": …, "dtype": …, "ours_ms": …, "aten_ms": …, "ratio": aten / ours}
// Usage: kernels [repeats]. The figures are minima; the allocator settings serve both sides.
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/randn.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <limits>
#include <string>

#include "posttrain/nn/attention.hpp"
#include "posttrain/nn/cpu/softmax_rows.hpp"
#include "posttrain/nn/gated_activation.hpp"
#include "posttrain/nn/gemm.hpp"
#include "posttrain/nn/rms_norm.hpp"
#include "posttrain/nn/rotary.hpp"
#include "posttrain/tensor/allocator.hpp"
#include "posttrain/tensor/ops.hpp"

namespace {

using namespace posttrain;

constexpr std::int64_t kTokens = 2048, kHidden = 512, kFeatures = 1536, kHeads = 8, kDim = 64;
int repeats = 7;

double milliseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

void compare(const std::string& kernel, at::ScalarType type, const std::function<void()>& ours,
             const std::function<void()>& aten) {
  ours();
  aten();
  double a = std::numeric_limits<double>::infinity(), b = a;
  for (int i = 0; i < repeats; ++i) {
    a = std::min(a, milliseconds(ours));
    b = std::min(b, milliseconds(aten));
  }
  fmt::print(
      "{{\"kernel\": \"{}\", \"dtype\": \"{}\", \"ours_ms\": {:.3f}, \"aten_ms\": {:.3f}, "
      "\"ratio\": {:.2f}}}\n",
      kernel, type == at::kFloat ? "float32" : "bfloat16", a, b, b / a);
  std::fflush(stdout);
}

Tensor random(at::IntArrayRef shape, at::ScalarType type) {
  return at::randn(shape, at::kFloat).to(type);
}

// Forward and backward of a function through autograd.
std::function<void()> both_ways(std::function<Tensor(const Tensors&)> f, Tensors inputs) {
  for (Tensor& input : inputs) input = input.detach().requires_grad_();
  return [f = std::move(f), inputs] {
    const Tensor out = f(inputs);
    out.backward(at::ones_like(out));
    for (const Tensor& input : inputs) input.mutable_grad() = Tensor();
  };
}

void products(at::ScalarType type) {
  const Tensor x = random({kTokens, kHidden}, type), w = random({kFeatures, kHidden}, type);
  const Tensor dy = random({kTokens, kFeatures}, type);
  Tensor acc = at::zeros({kFeatures, kHidden}, at::kFloat);
  compare(
      "matmul_nt", type, [&] { matmul_nt(x, w); }, [&] { at::mm(x, w.t()); });
  compare(
      "matmul_nn", type, [&] { matmul_nn(dy, w); }, [&] { at::mm(dy, w); });
  compare(
      "accumulate_tn", type, [&] { accumulate_tn(acc, dy, x); },
      [&] { acc.add_(at::mm(dy.t(), x)); });
}

void loops(at::ScalarType type) {
  const Tensor x = random({kTokens, kHidden}, type), weight = random({kHidden}, type);
  compare("rms_norm forward+backward", type,
          both_ways([](const Tensors& t) { return rms_norm(t[0], t[1], 1e-5); }, {x, weight}),
          both_ways(
              [type](const Tensors& t) {
                const Tensor wide = t[0].to(at::kFloat);
                const Tensor normed = wide * (wide.pow(2).mean(-1, true) + 1e-5).rsqrt();
                return normed.to(type) * t[1];
              },
              {x, weight}));
  const Tensor gate_up = random({kTokens, 2 * kFeatures}, type);
  compare("gated_activation forward+backward", type,
          both_ways([](const Tensors& t) { return gated_activation(t[0], ActivationKind::kSilu); },
                    {gate_up}),
          both_ways(
              [](const Tensors& t) {
                return at::silu(t[0].narrow(1, 0, kFeatures)) *
                       t[0].narrow(1, kFeatures, kFeatures);
              },
              {gate_up}));
  const Tensor qkv = random({kTokens, 3 * kHeads * kDim}, type);
  const Tensor angle = random({kTokens, kDim / 2}, at::kFloat);
  const Tensor cos = angle.cos(), sin = angle.sin();
  compare(
      "rotary_qkv forward+backward", type,
      both_ways([&](const Tensors& t) { return rotary_qkv(t[0], kHeads, kHeads, kDim, cos, sin); },
                {qkv}),
      both_ways(
          [&](const Tensors& t) {
            const Tensor heads = t[0].unflatten(1, {3 * kHeads, kDim});
            const Tensor turned = heads.narrow(1, 0, 2 * kHeads);
            const Tensor c = at::cat({cos, cos}, 1).unsqueeze(1).to(type);
            const Tensor s = at::cat({sin, sin}, 1).unsqueeze(1).to(type);
            const Tensor half =
                at::cat({-turned.narrow(2, kDim / 2, kDim / 2), turned.narrow(2, 0, kDim / 2)}, 2);
            return at::cat({turned * c + half * s, heads.narrow(1, 2 * kHeads, kHeads)}, 1);
          },
          {qkv}));
  const Tensor logits = random({256, 32000}, type);
  const Tensor targets = at::arange(256, at::kLong);
  const Tensor scale = at::ones({256}, at::kFloat);
  compare(
      "row_stats and backward", type,
      [&] {
        const Tensor z = logits.clone();
        const RowStats stats = row_stats(z, targets);
        row_stats_backward_(z, targets, stats, {scale, {}, {}, {}});
      },
      both_ways(
          [&](const Tensors& t) {
            return t[0].log_softmax(1, at::kFloat).gather(1, targets.unsqueeze(1));
          },
          {logits}));
}

void attentions(at::ScalarType type, std::int64_t documents) {
  const Tensor qkv = random({kTokens, 3 * kHeads, kDim}, type);
  const Tensor q = qkv.narrow(1, 0, kHeads), k = qkv.narrow(1, kHeads, kHeads),
               v = qkv.narrow(1, 2 * kHeads, kHeads);
  std::vector<Segment> nodes;
  for (std::int64_t i = 0; i < documents; ++i) {
    const std::int64_t begin = i * kTokens / documents, end = (i + 1) * kTokens / documents;
    nodes.push_back({begin, end, end, 0});
  }
  const auto parts = attention_parts(nodes);
  const AttentionOptions options{0.125};
  const Tensor grad = random({kTokens, kHeads, kDim}, type);
  const auto segment = [](const Tensor& x, const Segment& node) {
    return x.slice(0, node.begin, node.end).transpose(0, 1).unsqueeze(0);
  };
  const AttentionResult result = attention_forward(q, k, v, parts, options);
  std::vector<std::tuple<Tensor, Tensor>> flash(nodes.size());
  const auto name = fmt::format("attention {} x {}", documents, kTokens / documents);
  compare(
      name + " forward", type, [&] { attention_forward(q, k, v, parts, options); },
      [&] {
        for (std::size_t i = 0; i < nodes.size(); ++i) {
          flash[i] = at::_scaled_dot_product_flash_attention_for_cpu(
              segment(q, nodes[i]), segment(k, nodes[i]), segment(v, nodes[i]), 0.0, true, {},
              0.125);
        }
      });
  compare(
      name + " backward", type, [&] { attention_backward(grad, q, k, v, result, parts, options); },
      [&] {
        for (std::size_t i = 0; i < nodes.size(); ++i) {
          at::_scaled_dot_product_flash_attention_for_cpu_backward(
              segment(grad, nodes[i]), segment(q, nodes[i]), segment(k, nodes[i]),
              segment(v, nodes[i]), std::get<0>(flash[i]), std::get<1>(flash[i]), 0.0, true, {},
              0.125);
        }
      });
}

// One new token over a cache: 16 sequences of 512 keys.
void decoding(at::ScalarType type) {
  constexpr std::int64_t kBatch = 16, kCache = 512, kKvHeads = 4;
  const Tensor q = random({kBatch, kHeads, kDim}, type);
  const Tensor k = random({kBatch * kCache, kKvHeads, kDim}, type);
  const Tensor v = random({kBatch * kCache, kKvHeads, kDim}, type);
  std::vector<AttentionPart> parts;
  for (std::int64_t i = 0; i < kBatch; ++i) {
    parts.push_back({i, i + 1, i * kCache, (i + 1) * kCache, true, kCache - 1, 0});
  }
  const auto batched = [](const Tensor& x) {
    return x.view({kBatch, kCache, kKvHeads, kDim}).transpose(1, 2);
  };
  compare(
      "attention of single queries", type, [&] { attention_forward(q, k, v, parts, {0.125}); },
      [&] {
        at::_scaled_dot_product_flash_attention_for_cpu(q.unsqueeze(2), batched(k), batched(v), 0.0,
                                                        false, {}, 0.125);
      });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The kernels against plain ATen");
  app.add_option("repeats", repeats)->check(CLI::Range(1, 1000));
  CLI11_PARSE(app, argc, argv);
  tune_allocator();
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    products(type);
    loops(type);
    attentions(type, 1);
    attentions(type, 8);
    decoding(type);
  }
}
