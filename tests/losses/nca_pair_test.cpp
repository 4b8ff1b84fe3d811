// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/nca_pair.hpp"

#include <cmath>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("NCA is its formula", "[losses][nca_pair][C1]") {
  check_pair_loss(NcaPair{.beta = kBeta},
                  mean_of([](const AnswerNumbers& w, const AnswerNumbers& l) {
                    return -log_sigmoid(kBeta * w.ratio()) - 0.5 * log_sigmoid(-kBeta * w.ratio()) -
                           0.5 * log_sigmoid(-kBeta * l.ratio());
                  }));
  check_start(NcaPair{}, 2.0 * std::log(2.0));
  check_rewards(NcaPair{}, [](const AnswerNumbers& a) { return a.ratio(); });
  CHECK_THROWS_WITH(NcaPair{.beta = 0.0}.validate(), "posttrain: NcaPair.beta must be positive");
}
