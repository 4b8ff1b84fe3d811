// SPDX-License-Identifier: Apache-2.0
// The kernels on a CUDA device, the stand-in or a GPU, against the CPU's loops: outputs and
// gradients at odd sizes, of strided rows, in float32 and bfloat16. On the stand-in the device code
// runs on the host (tests/stand_in/emulation.hpp), in two orders of a block's threads.
#include "support/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <tuple>
#include <utility>

#include "posttrain/generate/token_sampler.hpp"
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
#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/stand_in_cuda.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;
using posttrain::test::test_device;

namespace {

using Function = std::function<Tensors(const Tensors&)>;

Tensor on_device(const Tensor& x) { return x.to(test_device()); }
Tensor on_host(const Tensor& x) { return x.to(at::kCPU); }

/// Runs `work`, which must have launched a kernel: on a GPU that cannot be told.
template <class Work>
auto with_kernels(const Work& work) {
  stand_in::Counts* counts = stand_in::counts_if_loaded();
  const std::int64_t before = counts ? counts->kernels.load() : 0;
  auto result = work();
  if (counts) REQUIRE(counts->kernels.load() > before);
  return result;
}

/// Outputs of f at `inputs`, and the gradients of Σ outputs · (fixed random numbers).
Tensors results(const Function& f, const Tensors& inputs, at::ScalarType type, at::Device device) {
  Tensors leaves, all;
  for (const Tensor& input : inputs) {
    leaves.push_back(input.to(type).to(device).requires_grad_());
  }
  Tensor sum;
  for (const Tensor& output : f(leaves)) {
    const Tensor weight = normal(output.sizes(), 99).to(type).to(device);
    const Tensor part = (output * weight).sum();
    sum = sum.defined() ? sum + part : part;
    all.push_back(output.detach());
  }
  sum.backward();
  for (const Tensor& leaf : leaves) all.push_back(leaf.grad());
  return all;
}

/// The largest relative error of the device's results against the CPU's.
double device_error(const Function& f, const Tensors& inputs, at::ScalarType type) {
  const Tensors expected = results(f, inputs, type, at::kCPU);
  const Tensors actual = with_kernels([&] { return results(f, inputs, type, test_device()); });
  double worst = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, relative_error(on_host(actual[i]), expected[i]));
  }
  return worst;
}

/// Sums in another order in fp32; in bf16 what is near a tie is rounded to the neighbor.
double tolerance(at::ScalarType type) { return type == at::kFloat ? 3e-6 : 1e-2; }

at::ScalarType any_type() { return GENERATE(at::kFloat, at::kBFloat16); }

/// Rows and columns: below a warp, ragged, more than a block takes at once.
std::pair<std::int64_t, std::int64_t> any_shape() {
  return GENERATE(std::pair{1, 3}, std::pair{3, 64}, std::pair{70, 37}, std::pair{5, 2056});
}

}  // namespace

TEST_CASE("rms_norm's kernels give what the CPU's loops give", "[kernels]") {
  const auto type = any_type();
  const auto [rows, width] = any_shape();
  const bool plus_one = GENERATE(false, true);
  CAPTURE(type, rows, width, plus_one);
  const auto norm = [&](const Tensors& t) -> Tensors {
    return {rms_norm(t[0], t[1], 1e-5, plus_one)};
  };
  CHECK(device_error(norm, {normal({rows, width}, 1), normal({width}, 2)}, type) < tolerance(type));
  const auto added = [&](const Tensors& t) -> Tensors {
    const auto [sum, y] = add_rms_norm(t[0], t[1], t[2], 1e-5, plus_one);
    return {sum, y};
  };
  const Tensors inputs{normal({rows, width}, 1), normal({rows, width}, 3), normal({width}, 2)};
  CHECK(device_error(added, inputs, type) < tolerance(type));
}

TEST_CASE("rms_norm's kernels read strided heads", "[kernels]") {
  const auto type = any_type();
  const std::int64_t width = GENERATE(16, 5);
  const auto heads = [&](const Tensors& t) -> Tensors {
    return {rms_norm(t[0].narrow(1, 2 * width, 3 * width).unflatten(1, {3, width}), t[1], 1e-5)};
  };
  CHECK(device_error(heads, {normal({6, 5 * width}, 1), normal({width}, 2)}, type) <
        tolerance(type));
}

TEST_CASE("layer_norm's kernels give what the CPU's loops give", "[kernels]") {
  const auto type = any_type();
  const auto [rows, width] = any_shape();
  CAPTURE(type, rows, width);
  const auto norm = [&](const Tensors& t) -> Tensors {
    return {layer_norm(t[0], t[1], t[2], 1e-5)};
  };
  CHECK(device_error(norm, {normal({rows, width}, 1), normal({width}, 2), normal({width}, 3)},
                     type) < tolerance(type));
  const auto bare = [&](const Tensors& t) -> Tensors { return {layer_norm(t[0], {}, {}, 1e-5)}; };
  CHECK(device_error(bare, {normal({rows, width}, 1)}, type) < tolerance(type));
}

TEST_CASE("rotary's kernel gives what the CPU's loop gives", "[kernels]") {
  const auto type = any_type();
  const auto [heads, width, half] =
      GENERATE(std::tuple{4, 64, 32}, std::tuple{3, 10, 4}, std::tuple{5, 80, 16});
  CAPTURE(type, heads, width, half);
  const Tensor angles = normal({7, half}, 5);
  const auto table = [&](const Tensor& like, bool cosine) {
    return (cosine ? angles.cos() : angles.sin()).to(at::kFloat).to(like.device());
  };
  const auto alone = [&](const Tensors& t) -> Tensors {
    const Tensor x = t[0].unflatten(1, {heads, width}).narrow(1, 1, heads - 1);
    return {rotary(x, table(x, true), table(x, false))};
  };
  CHECK(device_error(alone, {normal({7, heads * width}, 1)}, type) < tolerance(type));
  const auto fused = [&](const Tensors& t) -> Tensors {
    return {rotary_qkv(t[0], heads - 2, 1, width, table(t[0], true), table(t[0], false))};
  };
  CHECK(device_error(fused, {normal({7, heads * width}, 1)}, type) < tolerance(type));
}

TEST_CASE("activations' kernels give what the CPU's loops give", "[kernels]") {
  const auto type = any_type();
  const auto [rows, width] = any_shape();
  const auto kind =
      GENERATE(ActivationKind::kSilu, ActivationKind::kGelu, ActivationKind::kGeluTanh);
  CAPTURE(type, rows, width, static_cast<int>(kind));
  const auto plain = [&](const Tensors& t) -> Tensors { return {activation(t[0], kind)}; };
  CHECK(device_error(plain, {normal({rows, width}, 1) * 3}, type) < tolerance(type));
  const auto gated = [&](const Tensors& t) -> Tensors { return {gated_activation(t[0], kind)}; };
  CHECK(device_error(gated, {normal({rows, 2 * width}, 1) * 3}, type) < tolerance(type));
  const auto strided = [&](const Tensors& t) -> Tensors {
    return {gated_activation(t[0].narrow(1, 0, 2 * width), kind)};
  };
  CHECK(device_error(strided, {normal({rows, 2 * width + 8}, 1)}, type) < tolerance(type));
}

TEST_CASE("row statistics' kernels give what the CPU's loops give", "[kernels]") {
  const auto type = any_type();
  const auto [rows, width] = any_shape();
  const double scale = GENERATE(1.0, 30.0);
  CAPTURE(type, rows, width, scale);
  Tensor z = (normal({rows, width}, 1) * scale).to(type);
  if (width > 20) {
    z.select(1, 3).fill_(-std::numeric_limits<double>::infinity());
    z.narrow(1, 8, 8).fill_(-std::numeric_limits<double>::infinity());
  }
  const Tensor targets =
      at::remainder(at::arange(rows, at::kLong) * 5, std::min<std::int64_t>(width, 3));
  const RowStats expected = row_stats(z, targets, {true, true, true});
  const RowStats actual = with_kernels([&] {
    return row_stats(on_device(z), on_device(targets), {true, true, true});
  });
  const auto close = [](const Tensor& a, const Tensor& b, double bound) {
    return on_host(a).allclose(b, bound, bound, /*equal_nan=*/true);
  };
  CHECK(close(actual.logp, expected.logp, 2e-6 * scale));
  CHECK(close(actual.lse, expected.lse, 2e-6));
  CHECK(close(actual.entropy, expected.entropy, 2e-6 * scale));
  CHECK(close(actual.mean_logit, expected.mean_logit, 2e-6 * scale));
  CHECK(close(actual.log_sum_sq, expected.log_sum_sq, 4e-6 * scale));

  const Tensor d = normal({4, rows}, 7).to(at::kFloat);
  const bool with_entropy = GENERATE(false, true);
  const auto backward = [&](const Tensor& logits, const RowStats& stats, at::Device device) {
    Tensor grad = logits.to(device).clone();
    const auto upstream = [&](int i) { return d.select(0, i).to(device); };
    row_stats_backward_(
        grad, targets.to(device), stats,
        {upstream(0), upstream(1), with_entropy ? upstream(2) : Tensor(), upstream(3)});
    return grad;
  };
  const Tensor host = backward(z, expected, at::kCPU);
  const Tensor device = with_kernels([&] { return backward(z, actual, test_device()); });
  CHECK(relative_error(on_host(device), host) < (type == at::kFloat ? 1e-6 * scale : 1e-2));
  const auto only = [&](const RowStats& stats, at::Device place) {
    Tensor grad = z.to(place).clone();
    row_stats_backward_(grad, targets.to(place), stats, {{}, {}, {}, d.select(0, 3).to(place)});
    return grad;
  };
  CHECK(on_host(only(actual, test_device())).equal(only(expected, at::kCPU)));
}

TEST_CASE("a NaN among logits is a NaN of their statistics", "[kernels]") {
  Tensor z = normal({2, 300}, 1, at::kFloat);
  z.select(0, 1).select(0, 77).fill_(std::numeric_limits<double>::quiet_NaN());
  const RowStats stats = row_stats(on_device(z), on_device(at::zeros({2}, at::kLong)));
  CHECK(std::isfinite(on_host(stats.logp).select(0, 0).item<double>()));
  CHECK(std::isnan(on_host(stats.logp).select(0, 1).item<double>()));
}

TEST_CASE("results of attention merge in one kernel", "[kernels]") {
  const auto type = any_type();
  const std::int64_t width = GENERATE(16, 6);
  struct Result {
    Tensor out, lse;
  };
  const double infinity = std::numeric_limits<double>::infinity();
  Result a{normal({5, 3, width}, 1, type), normal({3, 5}, 2, at::kFloat)};
  Result b{normal({5, 3, width}, 3, type), normal({3, 5}, 4, at::kFloat)};
  a.lse.select(1, 1).fill_(infinity);  // as the library's flash kernel has it
  b.lse.select(1, 2).fill_(-infinity);
  a.lse.select(1, 3).fill_(infinity);
  b.lse.select(1, 3).fill_(infinity);
  b.out.select(0, 2).fill_(0.0);
  a.out.select(0, 1).fill_(0.0);
  const Result merged = with_kernels([&] {
    return cuda::merge_attention(Result{on_device(a.out), on_device(a.lse)},
                                 Result{on_device(b.out), on_device(b.lse)});
  });
  const auto finite = [&](const Tensor& lse) {
    return lse.masked_fill(lse == infinity, -infinity);
  };
  const Tensor lse = at::logaddexp(finite(a.lse), finite(b.lse));
  CHECK(on_host(merged.lse).allclose(lse, 1e-6, 1e-6));
  const auto share = [&](const Tensor& own) {
    return (finite(own) - lse.masked_fill(lse == -infinity, 0.0)).exp().t().unsqueeze(-1);
  };
  const Tensor out = a.out.to(at::kFloat) * share(a.lse) + b.out.to(at::kFloat) * share(b.lse);
  CHECK(relative_error(on_host(merged.out), out) < tolerance(type));
  CHECK(on_host(merged.out).select(0, 3).abs().sum().item<double>() == 0.0);
}

TEST_CASE("the gradient of embeddings is added row by row", "[kernels]") {
  const auto type = any_type();
  const std::int64_t width = GENERATE(8, 37, 600), padding = GENERATE(-1, 2);
  CAPTURE(type, width, padding);
  const Tensor ids = at::remainder(at::arange(50, at::kLong) * 7, 11);
  const auto gradient = [&](at::Device device) {
    const Tensor table = normal({13, width}, 1, type).to(device);
    const Tensor grad = normal({13, width}, 2, at::kFloat).to(device);
    const Tensor anchor =
        at::zeros({}, at::TensorOptions(device).dtype(at::kFloat)).requires_grad_();
    const Tensor rows = embed_rows(table, ids.to(device), grad, padding, anchor);
    (rows * normal({50, width}, 3, type).to(device)).sum().backward();
    return grad;
  };
  const Tensor expected = gradient(at::kCPU);
  const Tensor actual = with_kernels([&] { return gradient(test_device()); });
  CHECK(relative_error(on_host(actual), expected) < 1e-6);
}

TEST_CASE("dropout keeps what the CPU keeps", "[kernels]") {
  const auto type = any_type();
  const std::int64_t columns = GENERATE(1, 6, 64, 1030);
  const auto dropped = [&](at::Device device) {
    const Tensor rows = at::arange(9, at::kLong) * 1234567;
    return KeyedDropout{
        .probability = 0.3, .seed = 0x123456789abcdef0, .step = 5, .rows = rows.to(device)}
        .apply(normal({9, columns}, 1, type).to(device), 3);
  };
  const Tensor actual = with_kernels([&] { return dropped(test_device()); });
  CHECK(on_host(actual).equal(dropped(at::kCPU)));
}

TEST_CASE("NEFTune's noise is that of the CPU", "[kernels]") {
  const auto type = any_type();
  const std::int64_t columns = GENERATE(1, 7, 64, 515);
  BatchBuilder builder;
  builder.add(TokenIds{1, 2, 3, 4, 5});
  const TokenBatch batch = std::move(builder).build();
  const auto noisy = [&](at::Device device) {
    return add_neftune_noise(normal({5, columns}, 1, type).to(device), batch.to(device),
                             {.alpha = 5.0, .seed = 77, .step = 3});
  };
  const Tensor actual = with_kernels([&] { return noisy(test_device()); });
  CHECK(on_host(actual).equal(noisy(at::kCPU)));
}

TEST_CASE("NF4's codes and values are the CPU's, bit for bit", "[kernels]") {
  const auto type = any_type();
  const std::int64_t size = GENERATE(1, 31, 64, 4096, 4133), block = GENERATE(64, 128);
  CAPTURE(type, size, block);
  Tensor x = normal({size}, 1, type);
  if (size > 64) x.narrow(0, 0, 64).zero_();
  const QuantizedNf4 expected = quantize_nf4(x, block);
  const QuantizedNf4 actual = with_kernels([&] { return quantize_nf4(on_device(x), block); });
  CHECK(on_host(actual.codes).equal(expected.codes));
  CHECK(on_host(actual.absmax).equal(expected.absmax));
  const Tensor out = at::empty_like(x), there = at::empty_like(on_device(x));
  dequantize_nf4(expected.codes, expected.absmax, block, out);
  dequantize_nf4(actual.codes, actual.absmax, block, there);
  CHECK(on_host(there).equal(out));
}

TEST_CASE("Int8's codes and values are the CPU's, bit for bit", "[kernels]") {
  const auto type = any_type();
  const std::int64_t size = GENERATE(1, 31, 256, 4096, 4133), block = GENERATE(64, 256);
  const bool is_signed = GENERATE(false, true);
  CAPTURE(type, size, block, is_signed);
  Tensor x = normal({size}, 1, type);
  if (size > 256) x.narrow(0, 0, 256).zero_();
  const Quantized8Bit expected = quantize_8bit(x, is_signed, block);
  const Quantized8Bit actual =
      with_kernels([&] { return quantize_8bit(on_device(x), is_signed, block); });
  CHECK(on_host(actual.codes).equal(expected.codes));
  CHECK(on_host(actual.absmax).equal(expected.absmax));
  const Tensor out = at::empty_like(x), there = at::empty_like(on_device(x));
  dequantize_8bit(expected, dynamic_map(is_signed), block, out);
  dequantize_8bit(actual, dynamic_map(is_signed), block, there);
  CHECK(on_host(there).equal(out));
}

TEST_CASE("AdamW8bit's kernel steps as the CPU's loop", "[kernels]") {
  const std::int64_t size = GENERATE(5000, 8192), block = GENERATE(64, 256, 4096);
  CAPTURE(size, block);
  const AdamW8bit options{.weight_decay = 0.1, .block_size = block};
  const auto run = [&](at::Device device) {
    const Tensor master = normal({size}, 1, at::kFloat).to(device);
    std::vector<ParameterGroup> groups{{.name = "all",
                                        .value = master,
                                        .master = master,
                                        .grad = at::zeros_like(master),
                                        .decay = true}};
    AdamW8bitState state = options.attach(groups);
    for (int step = 0; step < 3; ++step) {
      groups[0].grad.copy_(normal({size}, 10 + step, at::kFloat) * 1e-3);
      const bool skips = step == 1;
      const auto number = at::TensorOptions(device);
      state.step(groups, 1e-2,
                 {at::full({}, 0.5, number.dtype(at::kDouble)),
                  at::full({}, skips ? 1.0 : 0.0, number.dtype(at::kFloat))});
    }
    Tensors all{groups[0].master};
    for (const NamedTensor& tensor : state.tensors()) all.push_back(tensor.value);
    return all;
  };
  const Tensors expected = run(at::kCPU);
  const Tensors actual = with_kernels([&] { return run(test_device()); });
  REQUIRE(actual.size() == expected.size());
  CHECK(relative_error(on_host(actual[0]), expected[0]) < 1e-6);
  for (std::size_t i = 1; i < expected.size(); ++i) {
    const Tensor there = on_host(actual[i]);
    if (expected[i].scalar_type() == at::kByte) {
      // A moment near the middle of two entries may fall to either side.
      const Tensor apart = (there.to(at::kInt) - expected[i].to(at::kInt)).abs();
      CHECK(apart.max().item<int>() <= 1);
      CHECK(apart.to(at::kDouble).mean().item<double>() < 1e-3);
    } else {
      CHECK(relative_error(there, expected[i]) < 1e-6);
    }
  }
}

TEST_CASE("the norm of all gradients, the clip coefficient and the flag are the CPU's",
          "[kernels]") {
  const double max_norm = GENERATE(0.0, 1.0, 1e6), spoiled = GENERATE(0, 1, 2);
  const double infinity = std::numeric_limits<double>::infinity();
  const auto run = [&](at::Device device) {
    std::vector<ParameterGroup> groups;
    for (const std::int64_t size : {70001, 16384, 5}) {
      const Tensor grad = normal({size}, static_cast<std::uint64_t>(size), at::kFloat).to(device);
      groups.push_back({.name = "group", .value = grad, .master = grad, .grad = grad});
    }
    if (spoiled == 1) groups[2].grad.select(0, 4).fill_(infinity);
    const Tensor loss =
        at::full({}, spoiled == 2 ? -infinity : 2.5, at::TensorOptions(device).dtype(at::kDouble));
    const Tensor norm = optim::device_norm(groups);
    const GradientScale scale = optim::clip_scale(norm, max_norm, loss);
    return Tensors{norm, scale.factor(device), scale.skip(device)};
  };
  const Tensors expected = run(at::kCPU);
  const Tensors actual = with_kernels([&] { return run(test_device()); });
  const auto number = [](const Tensor& x) { return x.item().toDouble(); };
  CHECK(number(actual[2]) == (spoiled > 0 ? 1.0 : 0.0));
  CHECK(number(actual[2]) == number(expected[2]));
  if (spoiled == 1) return;
  CHECK(number(actual[0]) == Approx(number(expected[0])).epsilon(1e-7));
  CHECK(number(actual[1]) == Approx(number(expected[1])).epsilon(1e-7));
}

TEST_CASE("tokens are drawn by one kernel as plain operations draw them", "[kernels]") {
  const auto type = any_type();
  const std::int64_t width = GENERATE(7, 64, 1032, 3001);
  CAPTURE(type, width);
  const TokenIds banned{0, 3, 5};
  const std::vector<SeenToken> seen{{1, 2}, {4, 0}, {6, 1}};
  std::vector<DrawRow> rows{
      {.uniform = 0.31},
      {.uniform = 0.62, .temperature = 0.0},
      {.uniform = 0.93, .temperature = 0.7, .top_k = 5},
      {.uniform = 0.24, .temperature = 1.3, .top_p = 0.8},
      {.uniform = 0.55, .min_p = 0.1},
      {.uniform = 0.86, .temperature = 0.9, .top_k = 40, .top_p = 0.5, .min_p = 0.01},
      {.uniform = 0.17, .top_p = 1e-9},
      {.uniform = 0.999999}};
  Tensor logits = normal({static_cast<std::int64_t>(rows.size()) + 1, width}, 3) * 3.0;
  logits = (logits * 4.0).round() * 0.25;  // many equal ones
  logits.select(0, 8).select(0, 2).fill_(std::numeric_limits<double>::quiet_NaN());
  rows.push_back({.uniform = 0.5});  // of the row with a NaN
  if (GENERATE(false, true)) {
    for (DrawRow& row : rows) {
      row.repetition_penalty = 1.3;
      row.frequency_penalty = 0.2;
      row.suppressed = banned;
      row.seen = seen;
    }
  }
  const Tensor x = logits.to(type);
  const DrawRecord record{.entropy = true, .top_logps = 4};
  const Drawn expected = posttrain::detail::draw_by_operations(x, rows, record);
  const Drawn actual = with_kernels([&] { return draw_tokens(on_device(x), rows, record); });
  CHECK(at::equal(on_host(actual.ids), expected.ids));
  CHECK(at::equal(on_host(actual.top_ids), expected.top_ids));
  // The last row has NaN for its numbers, and none of the likeliest.
  const std::int64_t drawn = expected.ids.size(0) - 1;
  const auto error = [&](const Tensor& mine, const Tensor& theirs) {
    CHECK(at::equal(on_host(mine).lt(0.0), theirs.lt(0.0)));
    return (on_host(mine) - theirs).abs().narrow(0, 0, drawn).max().item().toDouble();
  };
  CHECK(error(actual.logps, expected.logps) < 2e-6);
  CHECK(error(actual.plain_logps, expected.plain_logps) < 2e-6);
  CHECK(error(actual.entropy, expected.entropy) < 2e-6);
  CHECK(error(actual.top_logps.exp(), expected.top_logps.exp()) < 2e-6);
  CHECK(std::isnan(on_host(actual.logps).select(0, drawn).item().toDouble()));
}

TEST_CASE("a program that does not compile is an error that names it", "[kernels]") {
  if (!stand_in::counts_if_loaded()) POSTTRAIN_SKIP("the stand-in's compiler is meant");
  static constexpr cuda::DeviceProgram kWrong{"wrong", "no_such_type x;"};
  static constexpr cuda::DeviceProgram kOther{"other", ""};
  const cuda::Variant variant{test_device(), at::kBFloat16, 8};
  CHECK_THROWS_WITH(
      (cuda::Kernel<>{&kWrong, "wrong"}(variant, {1, 32})),
      "kernel program wrong for BFloat16 with 8 at a time does not compile for sm_90: identifier "
      "\"no_such_type\" is undefined");
  CHECK_THROWS_WITH((cuda::Kernel<>{&kOther, "missing"}(variant, {1, 32})),
                    "kernel missing is not in program other: named symbol not found");
}

TEST_CASE("an empty tensor launches nothing", "[kernels]") {
  const auto nothing = on_device(at::zeros({0, 8}, at::kFloat));
  CHECK(rms_norm(nothing, on_device(at::ones({8}, at::kFloat)), 1e-5).size(0) == 0);
  CHECK(gated_activation(nothing, ActivationKind::kSilu).size(0) == 0);
}
