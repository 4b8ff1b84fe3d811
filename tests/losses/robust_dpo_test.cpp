// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/robust_dpo.hpp"

#include <cmath>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("robust DPO is its formula", "[losses][robust_dpo][C1]") {
  check_pair_loss(RobustDpo{.beta = kBeta, .label_smoothing = 0.2}, of_difference([](double x) {
                    return (-0.8 * log_sigmoid(x) + 0.2 * log_sigmoid(-x)) / 0.6;
                  }));
  check_start(RobustDpo{.label_smoothing = 0.3}, std::log(2.0));
  check_rewards(RobustDpo{}, [](const AnswerNumbers& a) { return a.ratio(); });
  CHECK_THROWS_WITH(RobustDpo{.label_smoothing = 0.5}.validate(),
                    "posttrain: RobustDpo.label_smoothing must be in [0, 0.5)");
}
