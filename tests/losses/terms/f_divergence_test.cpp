// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/terms/f_divergence.hpp"

#include <vector>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("derivatives of f-divergences are their formulas", "[losses][f_divergence]") {
  const std::vector<double> points{-3.0, -0.5, 0.0, 1e-9, 0.7, 4.0};
  for_divergences([&](const Divergence& divergence, const auto& s) {
    divergence.validate();
    const Tensor values = divergence.f_prime(at::tensor(points, at::kDouble));
    for (std::size_t i = 0; i < points.size(); ++i) {
      INFO(points[i]);
      CHECK(values[static_cast<std::int64_t>(i)].item<double>() ==
            Approx(s(points[i])).epsilon(1e-7).margin(1e-12));
    }
  });
  CHECK_THROWS_WITH((Divergence{FDivergence::alpha_divergence, 1.0}.validate()),
                    "posttrain: Divergence.alpha must not be 1");
}

TEST_CASE("differences are of whole answers or per token", "[losses][f_divergence]") {
  const auto pair = [](double value) { return at::full({1}, value, at::kDouble); };
  const PairScores pairs{{pair(-2.0), pair(-3.0), pair(4.0)}, {pair(-6.0), pair(-5.5), pair(2.0)}};
  for_divergences([&](const Divergence& divergence, const auto& s) {
    CHECK(divergence.difference(pairs).template item<double>() ==
          Approx(s(1.0) - s(-0.5)).epsilon(1e-12));
    CHECK(divergence.mean_difference(pairs).template item<double>() ==
          Approx(s(1.0) / 4.0 - s(-0.5) / 2.0).epsilon(1e-12));
  });
}
