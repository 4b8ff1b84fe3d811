// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/hinge.hpp"

#include <algorithm>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("the hinge loss is its formula under every divergence", "[losses][hinge][C1]") {
  for_divergences([](const Divergence& divergence, const auto& s) {
    check_pair_loss(Hinge{.beta = kBeta, .divergence = divergence},
                    mean_of([s](const AnswerNumbers& w, const AnswerNumbers& l) {
                      return std::max(0.0, 1.0 - kBeta * (s(w.ratio()) - s(l.ratio())));
                    }));
  });
  check_start(Hinge{}, 1.0);
  check_rewards(Hinge{.beta = kBeta}, [](const AnswerNumbers& a) { return a.ratio(); });
  CHECK_THROWS_WITH(Hinge{.beta = 0.0}.validate(), "posttrain: Hinge.beta must be positive");
}
