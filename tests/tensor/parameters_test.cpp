// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/parameters.hpp"

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("half types have masters in float32, float64 is its own", "[tensor]") {
  CHECK(master_dtype(at::kBFloat16) == at::kFloat);
  CHECK(master_dtype(at::kHalf) == at::kFloat);
  CHECK(master_dtype(at::kFloat) == at::kFloat);
  CHECK(master_dtype(at::kDouble) == at::kDouble);
}

TEST_CASE("the most exact copy of a parameter is its master, where there is one", "[tensor]") {
  ParameterView view{.value = at::ones({2}, at::kBFloat16), .master = {}, .grad = {}};
  CHECK_FALSE(view.trained());
  CHECK(view.exact().is_same(view.value));
  view.master = at::ones({2});
  view.grad = at::zeros({2});
  CHECK(view.trained());
  CHECK(view.exact().is_same(view.master));
}
