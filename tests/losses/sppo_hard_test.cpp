// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/sppo_hard.hpp"

#include <cmath>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("SPPO is its formula", "[losses][sppo_hard][C1]") {
  check_pair_loss(
      SppoHard{.beta = kBeta}, mean_of([](const AnswerNumbers& w, const AnswerNumbers& l) {
        return std::pow(w.ratio() - 0.5 / kBeta, 2.0) + std::pow(l.ratio() + 0.5 / kBeta, 2.0);
      }));
  check_start(SppoHard{.beta = kBeta}, 2.0 * std::pow(0.5 / kBeta, 2.0));
  check_rewards(SppoHard{}, [](const AnswerNumbers& a) { return a.ratio(); });
  CHECK_THROWS_WITH(SppoHard{.beta = 0.0}.validate(), "posttrain: SppoHard.beta must be positive");
}
