// SPDX-License-Identifier: Apache-2.0
#include "posttrain/optim/clip.hpp"

#include <cmath>
#include <limits>

#include "support/catch.hpp"
#include "support/kernels.hpp"

using namespace posttrain;

namespace {

std::vector<ParameterGroup> groups_with(const Tensors& gradients) {
  std::vector<ParameterGroup> groups;
  for (const Tensor& gradient : gradients) {
    ParameterGroup group;
    group.grad = gradient;
    groups.push_back(group);
  }
  return groups;
}

}  // namespace

TEST_CASE("the norm is over all groups together", "[optim]") {
  CHECK(optim::global_norm(groups_with(
            {at::tensor({3.0}, at::kDouble), at::tensor({0.0, 4.0}, at::kDouble)})) == 5.0);
  const Tensor a = kernel_test::normal({300}, 1), b = kernel_test::normal({77}, 2);
  CHECK(optim::global_norm(groups_with({a, b})) ==
        Approx(at::cat({a, b}).norm().item<double>()).epsilon(1e-12));
  CHECK(optim::global_norm(groups_with({a.to(at::kFloat), b.to(at::kFloat)})) ==
        Approx(at::cat({a, b}).norm().item<double>()).epsilon(1e-5));
  CHECK(optim::global_norm({}) == 0.0);
  CHECK(optim::global_norm(groups_with({at::empty({0})})) == 0.0);
}

TEST_CASE("a norm that is not finite stays visible", "[optim]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(optim::global_norm(groups_with({at::ones({3}), at::full({1}, nan)}))));
  CHECK(std::isinf(
      optim::global_norm(groups_with({at::full({2}, std::numeric_limits<double>::infinity())}))));
}

TEST_CASE("the clipping factor is that of torch's clip_grad_norm_", "[optim]") {
  CHECK(optim::clip_coefficient(0.5, 1.0) == 1.0);
  CHECK(optim::clip_coefficient(4.0, 1.0) == 1.0 / (4.0 + 1e-6));
  CHECK(optim::clip_coefficient(4.0, 2.0) == 2.0 / (4.0 + 1e-6));
  CHECK(optim::clip_coefficient(1.0, 1.0) == 1.0 / (1.0 + 1e-6));
  CHECK(optim::clip_coefficient(0.0, 1.0) == 1.0);
  CHECK(optim::clip_coefficient(1e9, 0.0) == 1.0);  // 0: no clipping
}

TEST_CASE("the norm of tens of millions of gradients is exact to fp32", "[optim]") {
  // A plain fp32 sum of these squares is off by half a percent.
  const std::int64_t size = 30'000'001;
  const Tensor gradient = at::full({size}, 1e-3, at::kFloat);
  CHECK(optim::global_norm(groups_with({gradient})) ==
        Approx(1e-3 * std::sqrt(static_cast<double>(size))).epsilon(1e-5));
}
