// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/bco_pair.hpp"

#include <cmath>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("BCO on pairs is its formula", "[losses][bco_pair][C1]") {
  check_pair_loss(BcoPair{.beta = kBeta},
                  mean_of([](const AnswerNumbers& w, const AnswerNumbers& l) {
                    return -log_sigmoid(kBeta * w.ratio()) - log_sigmoid(-kBeta * l.ratio());
                  }));
  check_start(BcoPair{}, 2.0 * std::log(2.0));
  check_rewards(BcoPair{}, [](const AnswerNumbers& a) { return a.ratio(); });
  CHECK_THROWS_WITH(BcoPair{.beta = 0.0}.validate(), "posttrain: BcoPair.beta must be positive");
}
