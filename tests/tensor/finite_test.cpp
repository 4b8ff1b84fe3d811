// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/finite.hpp"

#include <limits>

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("one number that is not finite is found among all", "[tensor]") {
  for (const auto type : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    const Tensor values = at::arange(100, at::kFloat).view({10, 10}).to(type);
    CHECK(all_finite(values));
    for (const double bad :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
          -std::numeric_limits<double>::infinity()}) {
      Tensor damaged = values.clone();
      damaged[7][3] = bad;
      CHECK_FALSE(all_finite(damaged));
      CHECK_FALSE(all_finite({{"good", values}, {"bad", damaged}}));
    }
  }
  CHECK(all_finite(at::empty({0})));
  CHECK(all_finite(at::ones({3}, at::kByte)));
  CHECK(all_finite(at::full({2}, std::numeric_limits<float>::max())));
}
