// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/covariance_kl.hpp"

#include <algorithm>
#include <vector>

#include "posttrain/losses/policy_loss.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("tokens of the greatest covariance in the step are held to the old policy",
          "[losses][covariance_kl]") {
  using Loss = PolicyLoss<CovarianceKl>;
  static_assert(Loss::row_local && LossPolicy<Loss>);
  const Loss loss{.term = {.share = 0.2, .coefficient = 0.7}};
  const Rollout rollout = some_rollout();
  const Advantages advantages = loss.advantages(rollout);
  const std::vector<RolloutItem> items = items_of(loss, rollout, advantages, {0, 1, 2, 3});
  double mean_a = 0.0, mean_l = 0.0, count = 0.0;
  const std::vector<PolicyNumbers> step = policy_numbers(items, ScoreTables::some());
  for (const PolicyNumbers& sample : step) {
    for (std::size_t t = 0; t < sample.size(); ++t) {
      mean_a += sample.advantage[t];
      mean_l += sample.logp[t];
      count += 1.0;
    }
  }
  mean_a /= count;
  mean_l /= count;
  std::vector<double> all;
  for (const PolicyNumbers& sample : step) {
    for (std::size_t t = 0; t < sample.size(); ++t) {
      all.push_back((sample.advantage[t] - mean_a) * (sample.logp[t] - mean_l));
    }
  }
  std::sort(all.rbegin(), all.rend());
  const double least = all[static_cast<std::size_t>(0.2 * count) - 1] - 1e-9;
  check_policy_loss(
      loss, of_tokens([&](const PolicyNumbers& now, const PolicyNumbers& held, std::size_t t) {
        const double covariance = (held.advantage[t] - mean_a) * (held.logp[t] - mean_l);
        const double distance = covariance >= least ? 0.7 * std::abs(now.d(t)) : 0.0;
        return -now.ratio(t) * now.advantage[t] + distance;
      }));
  CHECK_THROWS_WITH((CovarianceKl{.share = -1.0}.validate()), Catch::Contains("share"));
  CHECK_THROWS_WITH((CovarianceKl{.coefficient = -1.0}.validate()), Catch::Contains("coefficient"));
}
