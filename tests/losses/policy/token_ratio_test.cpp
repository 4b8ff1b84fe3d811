// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/token_ratio.hpp"

#include "posttrain/losses/policy/reinforce.hpp"
#include "posttrain/losses/policy_loss.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(TokenRatio::row_local && PolicyLoss<>::row_local);

TEST_CASE("log-ratios beyond 20 are clamped, counted, and carry no gradient",
          "[losses][token_ratio]") {
  const PolicyLoss<Reinforce> loss;
  const Rollout rollout = some_rollout();
  const Advantages advantages = loss.advantages(rollout);
  std::vector<RolloutBatch> batches = packed(items_of(loss, rollout, advantages, {0, 1, 2, 3}), {});
  const ScoreTables tables = ScoreTables::some();
  batches[0].old_logps = tables.scores(batches[0]).logp.clone();
  batches[0].old_logps[0] -= 25.0;
  const LossAndGradient step = step_on(loss, tables, batches);
  const auto tokens = static_cast<double>(batches[0].predictions());
  CHECK(metric(step, "ratio/clamped") == Approx(1.0 / tokens));
  CHECK(metric(step, "ratio/max") == Approx(std::exp(20.0)));
  CHECK(at::isfinite(step.gradient).all().item<bool>());
  CHECK(largest(step.gradient) < 10.0);
}
