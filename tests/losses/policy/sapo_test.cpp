// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/sapo.hpp"

#include "posttrain/losses/policy_loss.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("SAPO's gate is its formula on either side", "[losses][sapo]") {
  const SapoTerm term{.positive = 1.5, .negative = 3.0};
  check_policy_loss(
      PolicyLoss<SapoTerm>{.term = term},
      of_tokens([term](const PolicyNumbers& now, const PolicyNumbers&, std::size_t t) {
        const double tau = now.advantage[t] > 0.0 ? term.positive : term.negative;
        return -now.advantage[t] * 4.0 / tau * sigmoid(tau * (now.ratio(t) - 1.0));
      }));
  check_first_update(PolicyLoss<SapoTerm>{});
  CHECK_THROWS_WITH(SapoTerm{.positive = 0.0}.validate(), Catch::Contains("SapoTerm"));
}
