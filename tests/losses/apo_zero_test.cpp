// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/apo_zero.hpp"

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("APO zero is its formula", "[losses][apo_zero][C1]") {
  check_pair_loss(ApoZero{.beta = kBeta},
                  mean_of([](const AnswerNumbers& w, const AnswerNumbers& l) {
                    return 1.0 - sigmoid(kBeta * w.ratio()) + sigmoid(kBeta * l.ratio());
                  }));
  check_start(ApoZero{}, 1.0);
  check_rewards(ApoZero{}, [](const AnswerNumbers& a) { return a.ratio(); });
  CHECK_THROWS_WITH(ApoZero{.beta = 0.0}.validate(), "posttrain: ApoZero.beta must be positive");
}
