// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/dppo.hpp"

#include <algorithm>

#include "posttrain/losses/policy_loss.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("DPPO masks tokens whose probability has moved too far", "[losses][dppo]") {
  const DppoTerm term{.low = 0.05, .high = 0.03, .cap = 1.5};
  std::size_t masked = 0, tokens = 0;
  const auto formula =
      of_tokens([&](const PolicyNumbers& now, const PolicyNumbers& held, std::size_t t) {
        const double change = std::exp(held.logp[t]) - std::exp(held.old[t]);
        const double a = now.advantage[t];
        const bool kept = a > 0.0 ? change <= term.high : change >= -term.low;
        masked += !kept;
        ++tokens;
        return kept ? -std::min(held.ratio(t), term.cap) * a * now.logp[t] : 0.0;
      });
  check_policy_loss(PolicyLoss<DppoTerm>{.term = term}, formula);
  CHECK(masked > tokens / 10);
  CHECK(masked < tokens / 2);
  check_first_update(PolicyLoss<DppoTerm>{});
  CHECK_THROWS_WITH(DppoTerm{.low = -1.0}.validate(), Catch::Contains("DppoTerm"));
  CHECK_THROWS_WITH(DppoTerm{.cap = 0.5}.validate(), Catch::Contains("DppoTerm.cap"));
}

TEST_CASE("DPPO lets a rare token change by a large factor, and a likely one not",
          "[losses][dppo]") {
  const Tensor w = at::tensor({5.0, 1.5}, at::kDouble);
  const Tensor logps = at::log(at::tensor({1e-3, 0.9}, at::kDouble));
  const ClippedRatios clipped = DppoTerm{}.clipped(w, logps, at::ones({2}, at::kDouble));
  CHECK(clipped.high.equal(marks({0, 1})));
}
