// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/apo_zero_unpaired.hpp"

#include "support/answer_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("unpaired APO zero is its formula", "[losses][apo_zero_unpaired][C1]") {
  check_answer_loss(ApoZeroUnpaired{.beta = kBeta, .undesirable_weight = 0.7},
                    [](const AnswerRatios& now, const AnswerRatios&) {
                      return mean_over(now, [](double r, bool good) {
                        return good ? 1.0 - sigmoid(kBeta * r) : 0.7 * sigmoid(kBeta * r);
                      });
                    });
  CHECK_THROWS_WITH(ApoZeroUnpaired{.beta = 0.0}.validate(),
                    "posttrain: ApoZeroUnpaired.beta must be positive");
}
