// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/any_optimizer.hpp"

#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/messages.hpp"

using namespace posttrain;
using kernel_test::normal;
using posttrain::test::error_of;

namespace {

std::vector<ParameterGroup> one_group() {
  ParameterGroup group;
  group.name = "g";
  group.master = normal({8192}, 1);
  group.value = group.master;
  group.grad = normal({8192}, 2);
  group.decay = true;
  return {group};
}

/// The parameters after two steps.
template <class Optimizer>
Tensor trained(const Optimizer& optimizer) {
  std::vector<ParameterGroup> groups = one_group();
  auto state = optimizer.attach(groups);
  for (int step = 0; step < 2; ++step) {
    state.step(groups, 0.01, GradientScale{0.5});
    groups[0].grad.mul_(-0.3);
  }
  return groups[0].master;
}

}  // namespace

TEST_CASE("the chosen optimizer makes the steps of its own type", "[recipes][optim]") {
  const AdamW wide{.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6, .weight_decay = 0.1};
  const AdamW8bit narrow{.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6, .weight_decay = 0.1};
  AnyOptimizer any{OptimizerName::adamw, 0.8, 0.95, 1e-6, 0.1};
  CHECK(at::equal(trained(any), trained(wide)));
  any.name = OptimizerName::adamw_8bit;
  CHECK(at::equal(trained(any), trained(narrow)));
  CHECK_FALSE(at::equal(trained(narrow), trained(wide)));
}

TEST_CASE("the chosen optimizer's state is what a checkpoint keeps", "[recipes][optim]") {
  const std::vector<ParameterGroup> groups = one_group();
  const auto bytes = [&](OptimizerName name) {
    std::int64_t all = 0;
    for (const NamedTensor& tensor : AnyOptimizer{.name = name}.attach(groups).tensors()) {
      all += static_cast<std::int64_t>(tensor.value.nbytes());
    }
    return all;
  };
  CHECK(bytes(OptimizerName::adamw) >= 2 * 4 * 8192);
  CHECK(bytes(OptimizerName::adamw_8bit) < 3 * 8192);
  CHECK(bytes(OptimizerName::adamw_8bit) >= 2 * 8192);
}

TEST_CASE("the chosen optimizer refuses what its own type refuses", "[recipes][optim]") {
  const auto refusal = [](const AnyOptimizer& any) { return error_of([&] { any.validate(); }); };
  CHECK(refusal({}) == "");
  CHECK(refusal({.beta2 = 1.0}) == "posttrain: AdamW.beta2 must be in [0, 1)");
  CHECK(refusal({.name = OptimizerName::adamw_8bit, .eps = 0.0}) ==
        "posttrain: AdamW8bit.eps must be positive");
}
