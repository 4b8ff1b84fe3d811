// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/simpo.hpp"

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("SimPO is its formula", "[losses][simpo][C1]") {
  const SimPo loss{.beta = 2.0, .gamma = 0.7, .label_smoothing = 0.1};
  check_pair_loss(loss, mean_of([](const AnswerNumbers& w, const AnswerNumbers& l) {
                    const double x = 2.0 * (w.mean() - l.mean()) - 0.7;
                    return -0.9 * log_sigmoid(x) - 0.1 * log_sigmoid(-x);
                  }));
  check_rewards(loss, [](const AnswerNumbers& a) { return a.mean(); });
  CHECK_FALSE(needs_reference<SimPo>());
  CHECK_THROWS_WITH(SimPo{.gamma = -0.1}.validate(), "posttrain: SimPo.gamma must not be negative");
}
