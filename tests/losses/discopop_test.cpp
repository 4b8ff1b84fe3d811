// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/discopop.hpp"

#include <cmath>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("DiscoPOP is its formula", "[losses][discopop][C1]") {
  check_pair_loss(Discopop{.beta = kBeta, .tau = 0.5}, of_difference([](double x) {
                    const double m = sigmoid(x / 0.5);
                    return -log_sigmoid(x) * (1.0 - m) + std::exp(-x) * m;
                  }));
  check_start(Discopop{}, 0.5 * std::log(2.0) + 0.5);
  check_rewards(Discopop{}, [](const AnswerNumbers& a) { return a.ratio(); });
  CHECK_THROWS_WITH(Discopop{.tau = 0.0}.validate(), "posttrain: Discopop.tau must be positive");
}
