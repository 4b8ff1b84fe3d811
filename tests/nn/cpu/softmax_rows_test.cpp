// SPDX-License-Identifier: Apache-2.0
#include "posttrain/nn/cpu/softmax_rows.hpp"

#include <cmath>
#include <limits>
#include <utility>

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;

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
