// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/kto_pair.hpp"

#include <algorithm>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("KTO on pairs holds each side against the step's mean of the other",
          "[losses][kto_pair]") {
  check_pair_loss(KtoPair{.beta = kBeta}, [](const Step& now, const Step& held) {
    double w = 0.0, l = 0.0, sum = 0.0;
    for (const PairNumbers& pair : held) {
      w += pair.w.ratio() / static_cast<double>(held.size());
      l += pair.l.ratio() / static_cast<double>(held.size());
    }
    for (const PairNumbers& pair : now) {
      sum += 1.0 - sigmoid(kBeta * (pair.w.ratio() - std::max(0.0, l)));
      sum += 1.0 - sigmoid(kBeta * (std::max(0.0, w) - pair.l.ratio()));
    }
    return sum / static_cast<double>(2 * now.size());
  });
  check_start(KtoPair{}, 0.5);
  check_rewards(KtoPair{}, [](const AnswerNumbers& a) { return a.ratio(); });
  CHECK_THROWS_WITH(KtoPair{.beta = 0.0}.validate(), "posttrain: KtoPair.beta must be positive");
}
