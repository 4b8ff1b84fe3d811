// SPDX-License-Identifier: Apache-2.0
#include "posttrain/recipes/any_term.hpp"

#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"

using namespace posttrain;

namespace {

template <class Term>
void check_as(const Term& term) {
  const Tensor ratio = at::tensor({0.5, 0.9, 1.0, 1.3, 6.0}, at::kDouble);
  const Tensor logps = at::tensor({-1.0, -2.0, -0.5, -3.0, -0.1}, at::kDouble);
  const Tensor advantage = at::tensor({-1.0, 2.0, 0.0, 1.5, 1.0}, at::kDouble);
  const AnyTerm any(term);
  CHECK(at::equal(any(ratio, logps, advantage), term(ratio, logps, advantage)));
  CHECK(any.description() == describe(term));
  const ClippedRatios clipped = any.clipped(ratio, logps, advantage);
  if constexpr (requires { term.clipped(ratio, logps, advantage); }) {
    const ClippedRatios own = term.clipped(ratio, logps, advantage);
    CHECK(at::equal(clipped.low, own.low));
    CHECK(at::equal(clipped.high, own.high));
  } else {
    CHECK_FALSE(clipped.low.any().template item<bool>());
    CHECK_FALSE(clipped.high.any().template item<bool>());
  }
}

}  // namespace

TEST_CASE("a term that is chosen at run time has the term's own numbers", "[recipes][any_term]") {
  check_as(Clip{.low = 0.2, .high = 0.28});
  check_as(CispoTerm{.cap = 4.0});
  check_as(SapoTerm{});
  CHECK_THROWS_WITH(AnyTerm(Clip{.low = 2.0}).validate(), Catch::Contains("Clip.low"));
}
