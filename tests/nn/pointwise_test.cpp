// SPDX-License-Identifier: Apache-2.0
// simd, rotary, activations and the statistics of logits.
#include "posttrain/base/error.hpp"
#include "posttrain/nn/cpu/simd.hpp"
#include "posttrain/nn/cpu/softmax_rows.hpp"
#include "posttrain/nn/gated_activation.hpp"
#include "posttrain/nn/rotary.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::gradient_error;
using kernel_test::normal;
using kernel_test::precision_error;
using kernel_test::relative_error;

namespace {

POSTTRAIN_SIMD void exp_loop(const float* x, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] = simd::exp(x[i]);
}
POSTTRAIN_SIMD void tanh_loop(const float* x, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] = simd::tanh(x[i]);
}
POSTTRAIN_SIMD void erf_loop(const float* x, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] = simd::erf(x[i]);
}
POSTTRAIN_SIMD void sqrt_loop(const float* x, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] = simd::sqrt(x[i]);
}
POSTTRAIN_SIMD void bfloat16_loop(const float* x, c10::BFloat16* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) simd::store(y, i, x[i]);
}

// Floats of all magnitudes and both signs.
std::vector<float> many_floats() {
  std::vector<float> values;
  for (std::uint64_t bits = 0; bits < 0xFFFFFFFFULL; bits += 9973) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (std::isfinite(value)) values.push_back(value);
  }
  return values;
}

// cos and sin [rows, half] of arbitrary angles.
std::pair<Tensor, Tensor> tables(std::int64_t rows, std::int64_t half) {
  const Tensor angle = normal({rows, half}, 50);
  return {angle.cos().to(at::kFloat), angle.sin().to(at::kFloat)};
}

}  // namespace

TEST_CASE("The vectorised square root is accurate at all magnitudes") {
  std::vector<float> x{0.0F};
  for (const float value : many_floats()) {
    if (value > std::numeric_limits<float>::min() && value < 1e38F) x.push_back(value);
  }
  std::vector<float> y(x.size());
  sqrt_loop(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
  CHECK(y[0] == 0.0F);
  double worst = 0;
  for (std::size_t i = 1; i < x.size(); ++i) {
    const double exact = std::sqrt(static_cast<double>(x[i]));
    worst = std::max(worst, std::fabs(y[i] - exact) / exact);
  }
  CHECK(worst < 1.2e-7);
}

TEST_CASE("The vectorised exp, tanh and erf are accurate at all magnitudes") {
  const std::vector<float> x = many_floats();
  std::vector<float> y(x.size());
  const auto count = static_cast<std::int64_t>(x.size());
  double worst = 0;
  exp_loop(x.data(), y.data(), count);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] < -87.3F || x[i] > 88.7F) continue;
    const double exact = std::exp(static_cast<double>(x[i]));
    worst = std::max(worst, std::fabs(y[i] - exact) / exact);
  }
  CHECK(worst < 3e-7);
  worst = 0;
  tanh_loop(x.data(), y.data(), count);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = std::tanh(static_cast<double>(x[i]));
    if (std::fabs(x[i]) < 1e-37F) continue;
    worst = std::max(worst, std::fabs((y[i] - exact) / exact));
  }
  CHECK(worst < 3e-7);
  worst = 0;
  erf_loop(x.data(), y.data(), count);
  for (std::size_t i = 0; i < x.size(); ++i) {
    worst = std::max(worst, std::fabs(y[i] - std::erf(static_cast<double>(x[i]))));
  }
  CHECK(worst < 6e-7);
}

TEST_CASE("The vectorised exp keeps infinities, NaN and the ends of its range") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<float> x{-kInf, kInf, std::nanf(""), -100.0F, 100.0F, 88.5F, 0.0F};
  std::vector<float> y(x.size());
  exp_loop(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
  CHECK(y[0] == 0.0F);
  CHECK(y[1] == kInf);
  CHECK(std::isnan(y[2]));
  CHECK(y[3] == 0.0F);
  CHECK(y[4] == kInf);
  CHECK(y[5] == Approx(std::exp(88.5)).epsilon(3e-7));
  CHECK(y[6] == 1.0F);
}

TEST_CASE("Rounding to bfloat16 is to nearest even and keeps NaN") {
  std::vector<float> x = many_floats();
  x.push_back(std::bit_cast<float>(0x7FFFFFFFU));
  x.push_back(std::numeric_limits<float>::infinity());
  std::vector<c10::BFloat16> y(x.size());
  bfloat16_loop(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
  std::int64_t different = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float expected = static_cast<float>(c10::BFloat16(x[i]));
    const float actual = static_cast<float>(y[i]);
    different += !(actual == expected || (actual != actual && expected != expected));
  }
  CHECK(different == 0);
}

TEST_CASE("rotary turns pairs of half-split dimensions and leaves the rest") {
  const Tensor x = at::tensor({1.0, 2.0, 3.0, 4.0, 5.0}, at::kDouble).view({1, 1, 5});
  const Tensor cos = at::tensor({0.0, 1.0}, at::kDouble).unsqueeze(0);
  const Tensor sin = at::tensor({1.0, 0.0}, at::kDouble).unsqueeze(0);
  const Tensor expected = at::tensor({-3.0, 2.0, 1.0, 4.0, 5.0}, at::kDouble).view({1, 1, 5});
  CHECK(relative_error(rotary(x, cos, sin), expected) < 1e-15);
  CHECK(relative_error(rotary(x.to(at::kFloat), cos, sin), expected) < 1e-7);
}

TEST_CASE("rotary's gradients match finite differences and its precision is the type's") {
  const auto [dim, half] =
      GENERATE(std::pair{8, 4}, std::pair{10, 3}, std::pair{64, 32}, std::pair{80, 16});
  const auto [cos, sin] = tables(4, half);
  const auto f = [&, c = cos, s = sin](const Tensors& t) { return rotary(t[0], c, s); };
  const Tensors inputs{normal({4, 3, dim}, 51)};
  CHECK(gradient_error(f, inputs) < 1e-8);
  CHECK(precision_error(f, inputs, at::kFloat) < 1e-6);
  CHECK(precision_error(f, inputs, at::kBFloat16) < 1e-2);
}

TEST_CASE("rotary_qkv rotates q and k and copies v") {
  const auto type = GENERATE(at::kDouble, at::kFloat, at::kBFloat16);
  const auto [cos, sin] = tables(6, 4);
  const Tensor qkv = normal({6, (4 + 2 * 2) * 8}, 52, type).requires_grad_();
  const Tensor out = rotary_qkv(qkv, 4, 2, 8, cos, sin);
  const Tensor heads = qkv.detach().unflatten(1, {8, 8});
  const Tensor rotated = rotary(heads.narrow(1, 0, 6), cos, sin);
  CHECK(out.detach().unflatten(1, {8, 8}).equal(at::cat({rotated, heads.narrow(1, 6, 2)}, 1)));
  out.pow(2).sum().backward();  // a rotation keeps lengths: the gradient is 2 x
  CHECK(relative_error(qkv.grad(), 2 * qkv) < (type == at::kBFloat16 ? 2e-2 : 1e-6));
  CHECK_THROWS_WITH(rotary_qkv(qkv, 4, 1, 8, cos, sin), Catch::Contains("[6, 64]"));
}

TEST_CASE("Activations match their definitions, finite differences and double") {
  const auto kind =
      GENERATE(ActivationKind::kSilu, ActivationKind::kGelu, ActivationKind::kGeluTanh);
  const Tensor x = normal({7, 22}, 53) * 3;
  const auto plain = [&](const Tensors& t) { return activation(t[0], kind); };
  const auto gated = [&](const Tensors& t) { return gated_activation(t[0], kind); };
  Tensor expected;
  if (kind == ActivationKind::kSilu) expected = x * x.sigmoid();
  if (kind == ActivationKind::kGelu) expected = 0.5 * x * (1 + (x / std::sqrt(2.0)).erf());
  if (kind == ActivationKind::kGeluTanh) {
    expected = 0.5 * x * (1 + (std::sqrt(2 / M_PI) * (x + 0.044715 * x.pow(3))).tanh());
  }
  CHECK(relative_error(plain({x}), expected) < 1e-14);
  CHECK(relative_error(gated({x}), expected.narrow(1, 0, 11) * x.narrow(1, 11, 11)) < 1e-14);
  CHECK(gradient_error(plain, {x}) < 1e-7);
  CHECK(gradient_error(gated, {x}) < 1e-7);
  for (const auto& f : {std::function<Tensor(const Tensors&)>(plain),
                        std::function<Tensor(const Tensors&)>(gated)}) {
    CHECK(precision_error(f, {x}, at::kFloat) < 2e-6);
    CHECK(precision_error(f, {x}, at::kBFloat16) < 2e-2);
  }
}

TEST_CASE("Activations of empty and strided inputs") {
  CHECK(gated_activation(at::zeros({0, 8}), ActivationKind::kSilu).sizes() ==
        at::IntArrayRef({0, 4}));
  const Tensor wide = normal({5, 40}, 54, at::kFloat);
  const Tensor view = wide.narrow(1, 7, 20);
  CHECK(gated_activation(view, ActivationKind::kGelu)
            .equal(gated_activation(view.contiguous(), ActivationKind::kGelu)));
  CHECK_THROWS_WITH(gated_activation(at::zeros({2, 3}), ActivationKind::kSilu),
                    Catch::Contains("[T, 2F]"));
}

TEST_CASE("Row statistics match log_softmax and their gradients finite differences") {
  const std::int64_t rows = 5, vocab = 11;
  const Tensor logits = normal({rows, vocab}, 60) * 2;
  const Tensor targets = at::tensor({0, 3, 10, 3, 7}, at::kLong);
  const Tensors upstream{normal({rows}, 61), normal({rows}, 62), normal({rows}, 63),
                         normal({rows}, 64)};
  const auto objective = [&](const Tensor& z) {
    const RowStats s = row_stats(z, targets, {.entropy = true, .mean_logit = true});
    return (s.logp * upstream[0] + s.lse * upstream[1] + s.entropy * upstream[2] +
            s.mean_logit * upstream[3])
        .sum();
  };
  const Tensor log_p = logits.log_softmax(1);
  const RowStats stats =
      row_stats(logits, targets, {.entropy = true, .mean_logit = true, .log_sum_sq = true});
  CHECK(relative_error(stats.logp, log_p.gather(1, targets.unsqueeze(1)).squeeze(1)) < 1e-14);
  CHECK(relative_error(stats.entropy, -(log_p.exp() * log_p).sum(1)) < 1e-14);
  CHECK(relative_error(stats.lse, logits.exp().sum(1).log()) < 1e-14);
  CHECK(relative_error(stats.mean_logit, logits.mean(1)) < 1e-14);
  CHECK(relative_error(stats.log_sum_sq, log_p.exp().square().sum(1).log()) < 1e-13);

  const RowGrads grads{upstream[0], upstream[1], upstream[2], upstream[3]};
  Tensor dz = logits.clone();
  row_stats_backward_(dz, targets, stats, grads);
  const Tensor varied = logits.clone();
  const Tensor expected =
      kernel_test::numeric_gradient([&] { return objective(varied).item<double>(); }, varied);
  CHECK(relative_error(dz, expected) < 1e-8);
}

TEST_CASE("Row statistics in float32 and bfloat16 are close to double") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const auto [rows, vocab] = GENERATE(std::pair{1, 1}, std::pair{3, 17}, std::pair{40, 5003});
  const Tensor logits = (normal({rows, vocab}, 70) * 4).to(type);
  const Tensor targets = at::arange(rows, at::kLong).remainder(vocab);
  const RowWanted wanted{.entropy = true, .mean_logit = true, .log_sum_sq = true};
  const RowStats actual = row_stats(logits, targets, wanted);
  const RowStats expected = row_stats(logits.to(at::kDouble), targets, wanted);
  const double tolerance = 2e-6;  // bfloat16 logits are exact in float32
  CHECK((actual.logp - expected.logp).abs().max().item<double>() < 1e-5);
  CHECK((actual.entropy - expected.entropy).abs().max().item<double>() < 1e-5);
  CHECK(relative_error(actual.lse, expected.lse) < tolerance);
  CHECK(relative_error(actual.mean_logit, expected.mean_logit) < 1e-5);
  // Twice the logarithm of a sum, hence twice its error.
  CHECK((actual.log_sum_sq - expected.log_sum_sq).abs().max().item<double>() < 2e-5);
  for (const bool with_entropy : {true, false}) {
    RowGrads grads{normal({rows}, 71), normal({rows}, 72), {}, normal({rows}, 74)};
    if (with_entropy) grads.entropy = normal({rows}, 73);
    Tensor dz = logits.clone(), exact = logits.to(at::kDouble);
    row_stats_backward_(dz, targets, actual, grads);
    row_stats_backward_(exact, targets, expected, grads);
    CHECK(relative_error(dz, exact) < (type == at::kFloat ? 1e-5 : 5e-3));
  }
}

TEST_CASE("Row statistics survive huge and infinitely small logits") {
  const double inf = std::numeric_limits<double>::infinity();
  for (const auto type : {at::kDouble, at::kFloat}) {
    Tensor logits =
        at::tensor({1000.0, -inf, 1000.0, -1e30, 0.0, -inf}, at::kDouble).view({2, 3}).to(type);
    const Tensor targets = at::tensor({0, 1}, at::kLong);
    const RowStats stats = row_stats(logits, targets, {.entropy = true});
    CHECK(stats.logp[0].item<double>() == Approx(-std::log(2.0)));
    CHECK(stats.entropy[0].item<double>() == Approx(std::log(2.0)));
    CHECK(stats.entropy[1].item<double>() == Approx(0.0).margin(1e-12));
    const Tensor one = at::ones({2}, at::kDouble);
    row_stats_backward_(logits, targets, stats, {one, {}, one, {}});
    CHECK(logits.isfinite().all().item<bool>());
    CHECK(logits[0][0].item<double>() == Approx(0.5).epsilon(1e-4));  // lse is float32
    CHECK(logits[0][1].item<double>() == 0.0);
  }
}

TEST_CASE("Row statistics refuse targets outside the vocabulary") {
  const Tensor logits = at::zeros({2, 4});
  CHECK_THROWS_WITH(row_stats(logits, at::tensor({0, 4}, at::kLong)),
                    Catch::Contains("[0, 4), got 4 in row 1"));
  CHECK_THROWS_WITH(row_stats(logits, at::tensor({0}, at::kLong)), Catch::Contains("[2, 4]"));
}
