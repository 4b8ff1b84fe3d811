// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/orpo.hpp"

#include <cmath>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("ORPO's term is its formula", "[losses][orpo][C1]") {
  const auto log_odds = [](double log_p) { return log_p - std::log(1.0 - std::exp(log_p)); };
  check_pair_loss(Orpo{.beta = kBeta},
                  mean_of([log_odds](const AnswerNumbers& w, const AnswerNumbers& l) {
                    return -kBeta * log_sigmoid(log_odds(w.mean()) - log_odds(l.mean()));
                  }));
  check_rewards(Orpo{}, [](const AnswerNumbers& a) { return a.mean(); });
  CHECK_FALSE(needs_reference<Orpo>());
  CHECK_THROWS_WITH(Orpo{.beta = 0.0}.validate(), "posttrain: Orpo.beta must be positive");
}
