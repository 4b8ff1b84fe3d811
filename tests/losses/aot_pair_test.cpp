// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/aot_pair.hpp"

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

TEST_CASE("AOT sorts margins over the whole step", "[losses][aot_pair]") {
  const AotPair loss{.beta = kBeta, .label_smoothing = 0.1};
  check_pair_loss(loss, [](const Step& now, const Step&) {
    std::vector<double> margins, ref_margins;
    for (const PairNumbers& pair : now) {
      margins.push_back(pair.w.logp - pair.l.logp);
      ref_margins.push_back(pair.w.ref - pair.l.ref);
    }
    return by_rank(margins, ref_margins);
  });
  check_start(AotPair{}, std::log(2.0));
  check_rewards(loss, [](const AnswerNumbers& a) { return a.ratio(); });
  CHECK_THROWS_WITH(AotPair{.label_smoothing = 0.5}.validate(),
                    "posttrain: AotPair.label_smoothing must be in [0, 0.5)");
}
