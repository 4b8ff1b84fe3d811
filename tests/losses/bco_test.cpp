// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/bco.hpp"

#include <cmath>

#include "support/answer_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("BCO is its formula", "[losses][bco][C1]") {
  check_answer_loss(Bco{.beta = kBeta}, [](const AnswerRatios& now, const AnswerRatios& held) {
    double sums[2] = {}, counts[2] = {};
    for (std::size_t i = 0; i < held.own.size(); ++i) {
      sums[held.desirable[i]] += kBeta * held.own[i];
      counts[held.desirable[i]] += 1.0;
    }
    const double shift = 0.5 * (sums[0] / counts[0] + sums[1] / counts[1]);
    return mean_over(now, [&](double r, bool good) {
      return -std::log(sigmoid(good ? kBeta * r - shift : shift - kBeta * r));
    });
  });
  CHECK_THROWS_WITH(Bco{.beta = 0.0}.validate(), "posttrain: Bco.beta must be positive");
}
