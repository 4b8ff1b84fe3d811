// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/sigmoid_norm.hpp"

#include <cmath>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("DPO per token is its formula under every divergence", "[losses][sigmoid_norm][C1]") {
  for_divergences([](const Divergence& divergence, const auto& s) {
    check_pair_loss(
        SigmoidNorm{.beta = 2.0, .divergence = divergence},
        mean_of([s](const AnswerNumbers& w, const AnswerNumbers& l) {
          return -log_sigmoid(2.0 * (s(w.ratio()) / w.length - s(l.ratio()) / l.length));
        }));
  });
  check_start(SigmoidNorm{}, std::log(2.0));
  check_rewards(SigmoidNorm{}, [](const AnswerNumbers& a) { return a.ratio(); });
  CHECK_THROWS_WITH(SigmoidNorm{.beta = 0.0}.validate(),
                    "posttrain: SigmoidNorm.beta must be positive");
}
