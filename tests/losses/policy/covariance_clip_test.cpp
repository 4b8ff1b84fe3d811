// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/covariance_clip.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include "posttrain/losses/policy_loss.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

using Loss = PolicyLoss<CovarianceClip>;
static_assert(Loss::row_local && LossPolicy<Loss>);

/// Which trained tokens of a whole step are drawn, by their draw; computed one by one.
std::vector<float> drawn(const CovarianceClip& term, const std::vector<RolloutItem>& items,
                         const ScoreTables& tables) {
  const RolloutBatch batch = packed(items, {})[0];
  const auto at_row = [](const Tensor& values, std::int64_t i) {
    return values[i].item().toDouble();
  };
  const Tensor logps = tables.scores(batch).logp;
  const std::int64_t count = batch.predictions();
  double mean_a = 0.0, mean_l = 0.0;
  for (std::int64_t i = 0; i < count; ++i) {
    mean_a += at_row(batch.advantage, i) / static_cast<double>(count);
    mean_l += at_row(logps, i) / static_cast<double>(count);
  }
  std::vector<float> draws;
  for (std::int64_t i = 0; i < count; ++i) {
    const double a = at_row(batch.advantage, i), l = at_row(logps, i);
    const double w = std::exp(l - at_row(batch.old_logps, i));
    const double covariance = (a - mean_a) * (l - mean_l);
    const bool clipped = (w < 0.8 && a < 0.0) || (w > 1.2 && a > 0.0);
    if (covariance > term.low && covariance < term.high && !clipped) {
      draws.push_back(static_cast<float>(at_row(batch.draw, i)));
    }
  }
  std::sort(draws.begin(), draws.end());
  const auto most = static_cast<std::size_t>(share_of(term.share, count));
  if (draws.size() > most) draws.resize(most);
  return draws;
}

}  // namespace

TEST_CASE("tokens of a covariance within the bounds are drawn over the whole step",
          "[losses][covariance_clip]") {
  const CovarianceClip term{.share = 0.12, .low = 0.05, .high = 2.0};
  const Loss loss{.term = term};
  const Rollout rollout = some_rollout();
  const Advantages advantages = loss.advantages(rollout);
  const std::vector<RolloutItem> items = items_of(loss, rollout, advantages, {0, 1, 2, 3});
  const ScoreTables tables = ScoreTables::some();
  const std::vector<float> left_out = drawn(term, items, tables);
  REQUIRE(left_out.size() >= 3);
  REQUIRE(left_out.size() ==
          static_cast<std::size_t>(share_of(0.12, packed(items, {})[0].predictions())));
  // The draws of each sample, in the order of its trained tokens.
  std::map<double, std::vector<float>> draws;  // by the sample's first old log-probability
  for (const RolloutItem& item : items) {
    const RolloutBatch one = pack_rollout(std::span(&item, 1), 1.0);
    for (std::int64_t i = 0; i < one.predictions(); ++i) {
      draws[one.old_logps[0].item<float>()].push_back(one.draw[i].item<float>());
    }
  }
  check_policy_loss(loss,
                    of_tokens([&](const PolicyNumbers& now, const PolicyNumbers&, std::size_t t) {
                      const float draw = draws.at(now.old[0]).at(t);
                      if (std::find(left_out.begin(), left_out.end(), draw) != left_out.end()) {
                        return 0.0;
                      }
                      const double w = now.ratio(t), a = now.advantage[t];
                      return -std::min(w * a, std::clamp(w, 0.8, 1.2) * a);
                    }));
  check_first_update(loss);
}

TEST_CASE("where no covariance is within the bounds the clip is all there is",
          "[losses][covariance_clip]") {
  check_policy_loss(Loss{.term = {.low = 1000.0, .high = 1001.0}},
                    of_tokens([](const PolicyNumbers& now, const PolicyNumbers&, std::size_t t) {
                      const double w = now.ratio(t), a = now.advantage[t];
                      return -std::min(w * a, std::clamp(w, 0.8, 1.2) * a);
                    }));
  CHECK_THROWS_WITH((CovarianceClip{.share = 2.0}.validate()), Catch::Contains("share"));
  CHECK_THROWS_WITH((CovarianceClip{.low = 6.0}.validate()), Catch::Contains("CovarianceClip.low"));
}
