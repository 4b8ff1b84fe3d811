// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/cpo.hpp"

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("CPO is its formula", "[losses][cpo][C1]") {
  check_pair_loss(Cpo{.beta = kBeta}, mean_of([](const AnswerNumbers& w, const AnswerNumbers& l) {
                    return -log_sigmoid(kBeta * (w.logp - l.logp));
                  }));
  check_rewards(Cpo{}, [](const AnswerNumbers& a) { return a.logp; });
  CHECK_FALSE(needs_reference<Cpo>());
  CHECK_THROWS_WITH(Cpo{.beta = 0.0}.validate(), "posttrain: Cpo.beta must be positive");
}
