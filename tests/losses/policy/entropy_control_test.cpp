// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/policy/entropy_control.hpp"

#include <string>
#include <utility>
#include <vector>

#include "posttrain/losses/distillation_gradient.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/ppo.hpp"
#include "support/catch.hpp"
#include "support/policy_loss_check.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(MovesWithRun<Grpo> && MovesWithRun<Ppo> && MovesWithRun<DistillationGradient>);
static_assert(!MovesWithRun<NextToken>);

namespace {

std::vector<std::pair<std::string, double>> of_entropy(double entropy) {
  return {{"reward", 1.0}, {"entropy", entropy}};
}

Grpo controlled(double target) {
  // [snippet: control]
  const Grpo loss{.entropy_coefficient = 0.0625,
                  .entropy_control = {.target = target, .change = 0.03125, .most = 0.125}};
  // [/snippet]
  return loss;
}

}  // namespace

TEST_CASE("The coefficient goes up after a low entropy, and down after another one",
          "[losses][entropy]") {
  const EntropyControl control{.target = 2.0, .change = 0.25, .least = 0.1, .most = 1.0};
  CHECK(control.moved(0.5, 2.0) == 0.75);
  CHECK(control.moved(0.5, 2.1) == 0.25);
  CHECK(control.moved(0.9, 0.0) == 1.0);
  CHECK(control.moved(0.2, 3.0) == 0.1);
  CHECK(control.acts_after(2.0));
  CHECK_FALSE(control.acts_after(2.1));
  CHECK_FALSE(EntropyControl{}.on());
}

TEST_CASE("The state of a loss is its coefficient and whether it acts", "[losses][entropy]") {
  const Grpo loss = controlled(2.0);
  CHECK(loss.first_state() == std::vector<double>{0.0625, 0.0});
  CHECK(loss.in_state(loss.first_state()).entropy_coefficient == 0.0);
  const auto low = loss.next_state(loss.first_state(), of_entropy(1.0));
  CHECK(low == std::vector<double>{0.09375, 1.0});
  CHECK(loss.in_state(low).entropy_coefficient == 0.09375);
  // What the loss is now does not matter: the state has all.
  CHECK(loss.in_state(low).next_state(low, of_entropy(3.0)) == std::vector<double>{0.0625, 0.0});
  CHECK(loss.next_state(low, {{"reward", 1.0}}) == low);  // a step without a trained token
  CHECK(Grpo{}.first_state().empty());
  CHECK(Grpo{.entropy_coefficient = 0.3}.in_state({}).entropy_coefficient == 0.3);

  Ppo ppo;
  ppo.policy.entropy_control = loss.entropy_control;
  CHECK(
      ppo.in_state(ppo.next_state(ppo.first_state(), of_entropy(1.0))).policy.entropy_coefficient ==
      0.03125);
  DistillationGradient gradient;
  gradient.policy.entropy_control = loss.entropy_control;
  CHECK(gradient.in_state({0.5, 1.0}).policy.entropy_coefficient == 0.5);
}

TEST_CASE("In a state the loss is that of its coefficient", "[losses][entropy]") {
  const Rollout rollout = some_rollout();
  const auto value = [&](const Grpo& loss) {
    const Advantages advantages = loss.advantages(rollout);
    return step_on(loss, ScoreTables::some(),
                   packed(items_of(loss, rollout, advantages, {0, 1, 2, 3}), {3}));
  };
  Grpo fixed;
  fixed.entropy_coefficient = 0.2;
  const Grpo loss = controlled(2.0);
  const LossAndGradient acting = value(loss.in_state({0.2, 1.0})), wanted = value(fixed);
  CHECK(acting.loss == wanted.loss);
  CHECK(at::equal(acting.gradient, wanted.gradient));
  CHECK(metric(acting, "entropy_coef") == 0.2);
  CHECK(metric(value(loss.in_state({0.2, 0.0})), "entropy_coef") == 0.0);
  CHECK(value(loss.in_state({0.2, 0.0})).loss == value(Grpo{}).loss);
}

TEST_CASE("Bounds and two ways of steering are checked", "[losses][entropy]") {
  CHECK_THROWS_WITH((EntropyControl{.target = -1.0}.validate()),
                    Catch::Contains("EntropyControl.target"));
  CHECK_THROWS_WITH((EntropyControl{.change = 0.0}.validate()),
                    Catch::Contains("EntropyControl.change"));
  CHECK_THROWS_WITH((EntropyControl{.least = 0.5, .most = 0.1}.validate()),
                    Catch::Contains("EntropyControl.least"));
  Grpo loss = controlled(1.0);
  CHECK_NOTHROW(loss.validate());
  loss.entropy_target = 1.0;
  CHECK_THROWS_WITH(loss.validate(), Catch::Contains("got both"));
  loss.entropy_target = 0.0;
  loss.entropy_coefficient = 0.5;
  CHECK_THROWS_WITH(loss.validate(), Catch::Contains("within the bounds of entropy_control"));
  Ppo ppo;
  ppo.critic_warmup = 1;
  ppo.policy.entropy_control.target = 1.0;
  CHECK_THROWS_WITH(ppo.validate(), Catch::Contains("critic_warmup"));
}
