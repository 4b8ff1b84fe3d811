// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/kto.hpp"

#include <algorithm>

#include "support/answer_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("KTO is its formula", "[losses][kto][C1]") {
  check_answer_loss(Kto{.beta = kBeta, .desirable_weight = 1.3, .undesirable_weight = 0.8},
                    [](const AnswerRatios& now, const AnswerRatios& held) {
                      double kl = 0.0;
                      for (const double r : held.other) {
                        kl += r / static_cast<double>(held.other.size());
                      }
                      kl = std::max(0.0, kl);
                      return mean_over(now, [&](double r, bool good) {
                        return good ? 1.3 * (1.0 - sigmoid(kBeta * (r - kl)))
                                    : 0.8 * (1.0 - sigmoid(kBeta * (kl - r)));
                      });
                    });
  CHECK_THROWS_WITH(Kto{.desirable_weight = -1.0}.validate(),
                    "posttrain: Kto's weights must not be negative");
}

TEST_CASE("KTO's estimate is above 0 where its test needs it", "[losses][kto]") {
  double kl = 0.0;
  for (const double r : ratios(ScoreTables::some()).other) kl += r;
  CHECK(kl > 0.1);
}
