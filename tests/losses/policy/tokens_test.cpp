// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/tokens.hpp"

#include "support/catch.hpp"

using namespace posttrain;

namespace {

Tensor numbers(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

}  // namespace

TEST_CASE("covariances are differences to the means of the step", "[losses][tokens]") {
  const std::vector<PolicyTokens> step{{{}, numbers({-1.0, -2.0}), numbers({1.0, 0.0}), {}},
                                       {{}, numbers({-3.0}), numbers({-4.0}), {}}};
  const CovarianceMeans means = covariance_means(step);
  CHECK(means.advantage.item<double>() == Approx(-1.0));
  CHECK(means.logps.item<double>() == Approx(-2.0));
  CHECK(covariances(step[0], means).equal(numbers({2.0, 0.0})));
  CHECK(covariances(step[1], means).equal(numbers({3.0})));
}

TEST_CASE("a share is at least one and at most all", "[losses][tokens]") {
  CHECK(share_of(0.0002, 100) == 1);
  CHECK(share_of(0.25, 100) == 25);
  CHECK(share_of(1.0, 100) == 100);
  CHECK(share_of(0.5, 0) == 0);
}

TEST_CASE("quantiles interpolate between the values of all batches", "[losses][tokens]") {
  const Tensors values{numbers({3.0, 1.0}), numbers({2.0, 10.0})};
  CHECK(step_quantile(values, 0.0).item<double>() == 1.0);
  CHECK(step_quantile(values, 1.0).item<double>() == 10.0);
  CHECK(step_quantile(values, 0.5).item<double>() == Approx(2.5));
  CHECK(step_quantile({numbers({})}, 0.8).item<double>() == 0.0);
  CHECK(step_quantile(values, 0.8).item<double>() == Approx(3.0 + 0.4 * 7.0));
}

TEST_CASE("a coefficient fades to 0 at its target", "[losses][tokens]") {
  const Tensors values{numbers({0.1, 0.3}), numbers({0.2})};
  CHECK(faded_coefficient(values, 0.5, 0.4).item<double>() == Approx(0.25));
  CHECK(faded_coefficient(values, 0.5, 0.2).item<double>() == Approx(0.0).margin(1e-12));
  CHECK(faded_coefficient(values, 0.5, 0.1).item<double>() == 0.0);
}
