// SPDX-License-Identifier: Apache-2.0
#include "posttrain/params/weights/site_weights.hpp"

#include "posttrain/params/full.hpp"
#include "support/catch.hpp"
#include "support/kernels.hpp"
#include "support/named_tensors.hpp"
#include "support/small_model.hpp"

using namespace posttrain;
using kernel_test::normal;
using kernel_test::relative_error;
using posttrain::test::named;
using posttrain::test::SmallModel;

TEST_CASE("the pieces of a site's product make up the product", "[params]") {
  for (const char* trained : {"*", "k, conv", "norm"}) {  // one block, several, none that trains
    INFO(trained);
    const FullState state = Full{.train = trained}.attach(SmallModel{});
    for (const int site : {0, 1, 2}) {
      const SiteWeights<Dense>& weights = state.site(site);
      const Tensor x = normal({3, weights.in()}, 1), dy = normal({3, weights.rows()}, 2);
      const Tensor leaf = x.clone().requires_grad_();
      const Tensor y = weights.linear(leaf);
      (y * dy).sum().backward();
      Tensor pieces = weights.product(x, /*recorded=*/false);
      weights.add_bias(pieces);
      CHECK(relative_error(y.detach(), pieces) < 1e-14);
      CHECK(relative_error(leaf.grad(), weights.input_gradient(dy)) < 1e-14);
    }
  }
}

TEST_CASE("gradients are added for what trains in a site, and for nothing else", "[params]") {
  const FullState all = Full{}.attach(SmallModel{});
  const Tensor x = normal({3, 4}, 1), dy = normal({3, 6}, 2);
  all.site(0).accumulate(dy, x);
  all.site(0).accumulate(dy, x);
  CHECK(relative_error(named(all.gradients(), "k.weight"), dy.narrow(1, 4, 2).t().matmul(x) * 2) <
        1e-14);
  CHECK(relative_error(named(all.gradients(), "q.bias"), dy.narrow(1, 0, 4).sum(0) * 2) < 1e-14);
  const FullState some = Full{.train = "k.weight"}.attach(SmallModel{});
  some.site(0).accumulate(dy, x);
  REQUIRE(some.gradients().size() == 1);
  CHECK(relative_error(some.gradients()[0].value, dy.narrow(1, 4, 2).t().matmul(x)) < 1e-14);
  CHECK(some.site(0).trained());
  CHECK(some.site(0).matrix_trained());
  CHECK_FALSE(some.site(1).trained());
  const FullState biases = Full{.train = "conv.bias"}.attach(SmallModel{});
  CHECK(biases.site(1).trained());
  CHECK_FALSE(biases.site(1).matrix_trained());
}

TEST_CASE("a part is found in its block, and memory is shared by one matrix at a time",
          "[params]") {
  const FullState state = Full{.train = "k"}.attach(SmallModel{});
  const SiteSpec spec = SmallModel{}.layout().sites[0];
  SiteWeights<Dense> site = state.site(0);
  const auto [block, row] = posttrain::detail::locate(site, spec, 1);
  CHECK(block.row + row == 4);
  CHECK(block.dense.trained());
  CHECK_THROWS_WITH(posttrain::detail::locate(site, spec, 2), "expected a part below 2, got 2");
  Workspace workspace;
  const Tensor large = workspace.matrix(4, 6, at::TensorOptions(at::kDouble));
  const Tensor small = workspace.matrix(2, 3, at::TensorOptions(at::kDouble));
  CHECK(small.sizes() == at::IntArrayRef({2, 3}));
  CHECK(small.storage().is_alias_of(large.storage()));
}
