// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/shape_text.hpp"

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("shapes are written as lists, undefined tensors as such", "[tensor]") {
  CHECK(shape_text(at::zeros({2, 0, 3})) == "[2, 0, 3]");
  CHECK(shape_text(at::zeros({7})) == "[7]");
  CHECK(shape_text(at::zeros({})) == "[]");
  CHECK(shape_text(Tensor()) == "an undefined tensor");
}
