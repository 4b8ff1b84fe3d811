// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/aot_unpaired.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// The mean over ranks of the smoothed log-loss, ε = 0.1, of two samples that are sorted here.
double by_rank(std::vector<double> a, std::vector<double> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = kBeta * (a[i] - b[i]);
    sum -= 0.9 * log_sigmoid(x) + 0.1 * log_sigmoid(-x);
  }
  return sum / static_cast<double>(a.size());
}

}  // namespace

TEST_CASE("unpaired AOT sorts both sides over the whole step", "[losses][aot_unpaired]") {
  const AotUnpaired loss{.beta = kBeta, .label_smoothing = 0.1};
  check_pair_loss(loss, [](const Step& now, const Step&) {
    std::vector<double> chosen, rejected;
    for (const PairNumbers& pair : now) {
      chosen.push_back(pair.w.ratio());
      rejected.push_back(pair.l.ratio());
    }
    return by_rank(chosen, rejected);
  });
  check_start(AotUnpaired{}, std::log(2.0));
  check_rewards(loss, [](const AnswerNumbers& a) { return a.ratio(); });
  CHECK_THROWS_WITH(AotUnpaired{.beta = 0.0}.validate(),
                    "posttrain: AotUnpaired.beta must be positive");
}
