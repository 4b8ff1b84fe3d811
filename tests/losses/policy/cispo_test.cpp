// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/cispo.hpp"

#include <algorithm>

#include "posttrain/losses/policy_loss.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("CISPO weighs log p by a bounded ratio without a gradient", "[losses][cispo]") {
  const CispoTerm term{.floor = 0.7, .cap = 1.2};
  check_policy_loss(
      PolicyLoss<CispoTerm>{.term = term},
      of_tokens([term](const PolicyNumbers& now, const PolicyNumbers& held, std::size_t t) {
        return -std::clamp(held.ratio(t), term.floor, term.cap) * now.advantage[t] * now.logp[t];
      }));
  check_first_update(PolicyLoss<CispoTerm>{});
}

TEST_CASE("CISPO's bounds are checked, and count the ratios beyond them", "[losses][cispo]") {
  const Tensor w = at::tensor({0.5, 6.0, 6.0}, at::kDouble);
  const Tensor a = at::tensor({-1.0, 1.0, -1.0}, at::kDouble);
  const ClippedRatios clipped = CispoTerm{.floor = 0.8, .cap = 5.0}.clipped(w, {}, a);
  CHECK(clipped.low.equal(marks({1, 0, 0})));
  CHECK(clipped.high.equal(marks({0, 1, 0})));
  CHECK_THROWS_WITH(CispoTerm{.cap = 0.5}.validate(), Catch::Contains("CispoTerm.cap"));
}
