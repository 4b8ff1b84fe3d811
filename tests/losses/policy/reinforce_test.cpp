// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/reinforce.hpp"

#include "posttrain/losses/policy_loss.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("REINFORCE weighted by importance is its formula", "[losses][reinforce]") {
  check_policy_loss(PolicyLoss<Reinforce>{},
                    of_tokens([](const PolicyNumbers& now, const PolicyNumbers&, std::size_t t) {
                      return -now.ratio(t) * now.advantage[t];
                    }));
  check_first_update(PolicyLoss<Reinforce>{});
}

TEST_CASE("at the first update REINFORCE's gradient is that of −A log p", "[losses][reinforce]") {
  Tensor logps = at::tensor({-1.0, -2.0}, at::kDouble).requires_grad_();
  const Tensor advantage = at::tensor({0.5, -3.0}, at::kDouble);
  Reinforce{}(exp(logps - logps.detach()), logps, advantage).sum().backward();
  CHECK(logps.grad().equal(-advantage));
}
