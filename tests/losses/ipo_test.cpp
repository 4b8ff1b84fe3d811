// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/ipo.hpp"

#include <cmath>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("IPO is its formula under every divergence", "[losses][ipo][C1]") {
  for_divergences([](const Divergence& divergence, const auto& s) {
    check_pair_loss(Ipo{.beta = kBeta, .divergence = divergence},
                    mean_of([s](const AnswerNumbers& w, const AnswerNumbers& l) {
                      return std::pow(
                          s(w.ratio()) / w.length - s(l.ratio()) / l.length - 0.5 / kBeta, 2.0);
                    }));
  });
  check_start(Ipo{.beta = kBeta}, std::pow(0.5 / kBeta, 2.0));
  check_rewards(Ipo{}, [](const AnswerNumbers& a) { return a.ratio(); });
  CHECK(needs_reference<Ipo>());
  CHECK_THROWS_WITH(Ipo{.beta = 0.0}.validate(), "posttrain: Ipo.beta must be positive");
}
