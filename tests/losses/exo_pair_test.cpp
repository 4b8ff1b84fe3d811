// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/exo_pair.hpp"

#include <cmath>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("EXO is its formula", "[losses][exo_pair][C1]") {
  const auto divergence = [](double q) {
    return q * std::log(q / 0.99) + (1.0 - q) * std::log((1.0 - q) / 0.01);
  };
  const ExoPair loss{.beta = kBeta, .label_smoothing = 0.01};
  check_pair_loss(loss, of_difference([divergence](double x) { return divergence(sigmoid(x)); }));
  check_start(loss, divergence(0.5));
  check_rewards(loss, [](const AnswerNumbers& a) { return a.ratio(); });
  CHECK_THROWS_WITH(ExoPair{.label_smoothing = 0.0}.validate(),
                    "posttrain: ExoPair.label_smoothing must be in (0, 0.5)");
}
