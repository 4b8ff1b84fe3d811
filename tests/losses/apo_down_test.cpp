// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/apo_down.hpp"

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("APO down is its formula", "[losses][apo_down][C1]") {
  check_pair_loss(
      ApoDown{.beta = kBeta}, mean_of([](const AnswerNumbers& w, const AnswerNumbers& l) {
        return sigmoid(kBeta * w.ratio()) + 1.0 - sigmoid(kBeta * (w.ratio() - l.ratio()));
      }));
  check_start(ApoDown{}, 1.0);
  check_rewards(ApoDown{}, [](const AnswerNumbers& a) { return a.ratio(); });
  CHECK_THROWS_WITH(ApoDown{.beta = 0.0}.validate(), "posttrain: ApoDown.beta must be positive");
}
