// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/dpo.hpp"

#include <cmath>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("DPO is its formula under every divergence", "[losses][dpo][C1]") {
  for_divergences([](const Divergence& divergence, const auto& s) {
    check_pair_loss(Dpo{.beta = kBeta, .divergence = divergence},
                    mean_of([s](const AnswerNumbers& w, const AnswerNumbers& l) {
                      return -log_sigmoid(kBeta * (s(w.ratio()) - s(l.ratio())));
                    }));
  });
  check_start(Dpo{}, std::log(2.0));
  check_rewards(Dpo{.beta = kBeta}, [](const AnswerNumbers& a) { return a.ratio(); });
}

TEST_CASE("label smoothing is the share of flipped pairs", "[losses][dpo]") {
  check_pair_loss(Dpo{.beta = kBeta, .label_smoothing = 0.2}, of_difference([](double x) {
                    return -0.8 * log_sigmoid(x) - 0.2 * log_sigmoid(-x);
                  }));
  CHECK_THROWS_WITH(Dpo{.beta = 0.0}.validate(), "posttrain: Dpo.beta must be positive");
  CHECK_THROWS_WITH(Dpo{.label_smoothing = 0.5}.validate(),
                    "posttrain: Dpo.label_smoothing must be in [0, 0.5)");
}
