// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/scalar_type.hpp"

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("a recipe computes in the type that its member names", "[recipes]") {
  STATIC_REQUIRE(scalar_type(TrainDtype::float32) == at::kFloat);
  STATIC_REQUIRE(scalar_type(TrainDtype::bfloat16) == at::kBFloat16);
}
