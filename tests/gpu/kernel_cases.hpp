// SPDX-License-Identifier: Apache-2.0
// Every kernel of the library by what calls it: a function of tensors whose outputs and gradients
// are compared with the same function of the CPU in float64, and the bytes that it has to move.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/generate/token_sampler.hpp"
#include "posttrain/nn/attention_generic.hpp"
#include "posttrain/nn/cpu/softmax_rows.hpp"
#include "posttrain/nn/cuda/merge_attention.hpp"
#include "posttrain/nn/dropout.hpp"
#include "posttrain/nn/gated_activation.hpp"
#include "posttrain/nn/layer_norm.hpp"
#include "posttrain/nn/linear.hpp"
#include "posttrain/nn/neftune.hpp"
#include "posttrain/nn/rms_norm.hpp"
#include "posttrain/nn/rotary.hpp"
#include "posttrain/optim/adamw_8bit.hpp"
#include "posttrain/optim/clip.hpp"
#include "posttrain/storage/int8_codec.hpp"
#include "posttrain/storage/nf4_codec.hpp"

namespace posttrain::gpu {

struct KernelCase {
  using Function = std::function<Tensors(const Tensors&)>;

  std::string name;
  Function function;
  Tensors inputs;
  double forward, whole;  // bytes of a forward pass, and with its backward pass: multiples of the
                          // first input's
  bool with_gradients = true;
  bool in_double = true;  // compared with float64; else with the CPU's result in the same type
  bool only_float = false;
};

/// [rows, width] tensors, where a case has such: on a device as `draw(shape, seed)` gives them.
template <class Draw>
std::vector<KernelCase> kernel_cases(std::int64_t rows, std::int64_t width, at::Device device,
                                     const Draw& draw) {
  const auto normal = [&](const std::vector<std::int64_t>& shape, int seed) {
    return draw(shape, seed);
  };
  const Tensor x = normal({rows, width}, 1), w = normal({width}, 2), b = normal({width}, 3);
  const auto integers = at::TensorOptions(device).dtype(at::kLong);
  const Tensor ids = at::remainder(at::arange(rows, integers) * 7, 11);
  const Tensor keys = at::arange(rows, integers) * 1234567;
  BatchBuilder builder;
  builder.add(TokenIds(static_cast<std::size_t>(rows), 1), -1, 0);
  const TokenBatch batch = std::move(builder).build().to(device);
  const Tensor double_width = normal({rows, 2 * width}, 4);
  std::vector<KernelCase> all;
  const auto add = [&](KernelCase each) { all.push_back(std::move(each)); };

  add({"rms_norm",
       [](const Tensors& t) -> Tensors { return {rms_norm(t[0], t[1], 1e-5)}; },
       {x, w},
       2,
       7});
  add({"add_rms_norm",
       [](const Tensors& t) -> Tensors {
         const auto [sum, y] = add_rms_norm(t[0], t[1], t[2], 1e-5);
         return {sum, y};
       },
       {x, normal({rows, width}, 5), w},
       4,
       10});
  add({"layer_norm",
       [](const Tensors& t) -> Tensors { return {layer_norm(t[0], t[1], t[2], 1e-5)}; },
       {x, w, b},
       2,
       7});
  add({"activation",
       [](const Tensors& t) -> Tensors { return {activation(t[0], ActivationKind::kGelu)}; },
       {x},
       2,
       5});
  add({"gated_activation",
       [](const Tensors& t) -> Tensors { return {gated_activation(t[0], ActivationKind::kSilu)}; },
       {double_width},
       1.5,
       4});
  const std::int64_t half = std::max<std::int64_t>(1, width / 8);  // four heads
  const Tensor angles = normal({rows, half}, 6);
  add({"rotary_qkv",
       [angles, half](const Tensors& t) -> Tensors {
         const auto table = [&](const Tensor& values) {
           return values.to(t[0].scalar_type() == at::kDouble ? at::kDouble : at::kFloat)
               .to(t[0].device());
         };
         return {rotary_qkv(t[0], 2, 1, 2 * half, table(angles.cos()), table(angles.sin()))};
       },
       {normal({rows, 4 * 2 * half}, 7)},
       2,
       4});
  add({"row_stats",
       [ids](const Tensors& t) -> Tensors {
         const Tensor targets = at::remainder(ids, t[0].size(1)).to(t[0].device());
         const Tensor z = t[0].detach();
         const RowStats stats = row_stats(z, targets, {true, true, true});
         return {stats.logp, stats.lse, stats.entropy, stats.mean_logit};
       },
       {x},
       1,
       1,
       /*with_gradients=*/false});
  add({"row_stats_backward",
       [ids](const Tensors& t) -> Tensors {
         const Tensor targets = at::remainder(ids, t[0].size(1)).to(t[0].device());
         const Tensor z = t[0].detach().clone();
         const RowStats stats = row_stats(z, targets, {true, false, false});
         const Tensor ones = at::ones_like(stats.lse);
         row_stats_backward_(z, targets, stats, {ones, ones * 0.5, ones * 0.25, {}});
         return {z};
       },
       {x},
       5,
       5,
       /*with_gradients=*/false});
  add({"draw_rows",
       [](const Tensors& t) -> Tensors {
         const std::vector<DrawRow> rows(static_cast<std::size_t>(t[0].size(0)),
                                         {.uniform = 0.4, .temperature = 0.8, .top_p = 0.9});
         const Drawn drawn = draw_tokens(t[0].detach(), rows, {.entropy = true, .top_logps = 2});
         return {drawn.entropy, drawn.top_logps};
       },
       {x},
       1,
       1,
       /*with_gradients=*/false});
  add({"merge_attention",
       [](const Tensors& t) -> Tensors {
         // What the kernel reads besides: log-sum-exps in fp32, which are exact in fp64.
         const Tensor a = t[1].detach().to(at::kFloat), c = t[2].detach().to(at::kFloat);
         const AttentionResult first{t[0].detach(), a}, second{t[3].detach(), c};
         if (t[0].is_cuda()) {
           const AttentionResult merged = cuda::merge_attention(first, second);
           return {merged.out, merged.lse};
         }
         const AttentionResult merged =
             detail::merge_attention(AttentionResult{first.out, a.to(at::kDouble)},
                                     AttentionResult{second.out, c.to(at::kDouble)});
         return {merged.out, merged.lse};
       },
       {normal({rows, 4, 2 * half}, 8), normal({4, rows}, 9), normal({4, rows}, 10),
        normal({rows, 4, 2 * half}, 11)},
       3,
       3,
       /*with_gradients=*/false});
  add({"embedding_gradient",
       [ids](const Tensors& t) -> Tensors {
         const at::AutoGradMode with_graph(true);
         const auto wide = t[0].scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
         const auto options = t[0].options().dtype(wide).requires_grad(false);
         const Tensor table = t[0].detach().narrow(0, 0, 1).expand({11, t[0].size(1)}).contiguous();
         const Tensor grad = at::zeros({11, t[0].size(1)}, options);
         const Tensor anchor = at::zeros({}, options).requires_grad_();
         embed_rows(table, ids.to(t[0].device()), grad, -1, anchor).backward(t[0].detach());
         return {grad};
       },
       {x},
       3,
       3,
       /*with_gradients=*/false});
  add({"keyed_dropout",
       [keys](const Tensors& t) -> Tensors {
         const Tensor rows_keys = keys.to(t[0].device());
         return {KeyedDropout{.probability = 0.3, .seed = 5, .step = 7, .rows = rows_keys}.apply(
             t[0].detach(), 3)};
       },
       {x},
       2,
       2,
       /*with_gradients=*/false,
       /*in_double=*/false});
  add({"uniform_noise",
       [batch](const Tensors& t) -> Tensors {
         return {add_neftune_noise(t[0].detach(), batch.to(t[0].device()),
                                   {.alpha = 5.0, .seed = 77, .step = 3})};
       },
       {x},
       4,
       4,
       /*with_gradients=*/false,
       /*in_double=*/false});
  add({"nf4",
       [](const Tensors& t) -> Tensors {
         const Tensor out = at::empty_like(t[0]);
         const QuantizedNf4 q = quantize_nf4(t[0].detach(), 64);
         dequantize_nf4(q.codes, q.absmax, 64, out);
         return {q.codes, q.absmax, out};
       },
       {x},
       2.6,
       2.6,
       /*with_gradients=*/false,
       /*in_double=*/false});
  add({"int8",
       [](const Tensors& t) -> Tensors {
         const Tensor out = at::empty_like(t[0]);
         const Quantized8Bit q = quantize_8bit(t[0].detach(), true, 256);
         dequantize_8bit(q, dynamic_map(true), 256, out);
         return {q.codes, q.absmax, out};
       },
       {x},
       3,
       3,
       /*with_gradients=*/false,
       /*in_double=*/false});
  add({"adamw_8bit",
       [](const Tensors& t) -> Tensors {
         const Tensor master = t[0].detach().reshape({-1}).clone();
         std::vector<ParameterGroup> groups{{.name = "all",
                                             .value = master,
                                             .master = master,
                                             .grad = t[1].detach().reshape({-1}),
                                             .decay = true}};
         const AdamW8bit options{.weight_decay = 0.1, .min_8bit_size = 0};
         AdamW8bitState state = options.attach(groups);
         state.step(groups, 1e-2, GradientScale(0.5));
         return {master};
       },
       {x, normal({rows, width}, 12)},
       6.5,
       6.5,
       /*with_gradients=*/false,
       /*in_double=*/false,
       /*only_float=*/true});
  add({"clip",
       [](const Tensors& t) -> Tensors {
         std::vector<ParameterGroup> groups;
         for (const Tensor& grad : t) {
           const Tensor flat = grad.detach().reshape({-1});
           groups.push_back({.name = "group", .value = flat, .master = flat, .grad = flat});
         }
         const Tensor norm = optim::device_norm(groups);
         const Tensor loss = at::ones({}, norm.options().dtype(at::kDouble));
         return {norm, optim::clip_scale(norm, 1.0, loss).factor(t[0].device())};
       },
       {x, w},
       1,
       1,
       /*with_gradients=*/false,
       /*in_double=*/true,
       /*only_float=*/true});
  return all;
}

}  // namespace posttrain::gpu
