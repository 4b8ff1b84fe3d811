// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/distillation_gradient.hpp"

#include <vector>

#include "posttrain/concepts/check.hpp"
#include "posttrain/concepts/rollout.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/with_teacher.hpp"
#include "posttrain/rewards/unjudged.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/loss_curve.hpp"
#include "support/rollout_model.hpp"
#include "support/small_run.hpp"
#include "support/some_rollout.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(check_loss<DistillationGradient>() && EstimatesAdvantages<DistillationGradient>);

namespace {

Rollout taught_rollout() {
  Rollout rollout = some_rollout(1, 2);
  for (RolloutSample& sample : rollout.groups[0].samples) {
    for (std::size_t i = 0; i < sample.ids.size(); ++i) {
      sample.old_logps.push_back(-2.0F - static_cast<float>(i));
      sample.teacher_logps.push_back(-1.5F);
    }
  }
  rollout.groups[0].samples[1].sampled[0] = 0;
  return rollout;
}

}  // namespace

TEST_CASE("A token's advantage is the teacher's lead on it", "[losses][distillation]") {
  Rollout rollout = taught_rollout();
  const Advantages plain = DistillationGradient{.coefficient = 2.0}.advantages(rollout);
  CHECK(plain[0][0].advantage == std::vector<float>{1.0F});
  CHECK(plain[0][1].advantage == std::vector<float>{0.0F, 3.0F});  // the first was not sampled
  // Rewards 0 and 1, compared by their group.
  const DistillationGradient both{.coefficient = 2.0, .rewards = true};
  const Advantages judged = both.policy.advantages(rollout), sum = both.advantages(rollout);
  CHECK(sum[0][0].advantage[0] == judged[0][0].advantage[0] + 1.0F);
  CHECK(sum[0][1].advantage[1] == judged[0][1].advantage[1] + 3.0F);
  CHECK(DistillationGradient{}.rollout_needs().teacher_logps);
  CHECK_FALSE(DistillationGradient{}.rollout_needs().rewards);
  CHECK(both.rollout_needs().rewards);
  CHECK(both.rollout_needs().least_group == 2);
  rollout.groups[0].samples[0].teacher_logps.clear();
  CHECK_THROWS_WITH(DistillationGradient{}.advantages(rollout),
                    Catch::Contains("log p of policy and teacher of each of 1 ids, got 1 and 0"));
  CHECK_THROWS_WITH((DistillationGradient{.coefficient = 0.0}.validate()),
                    Catch::Contains("coefficient"));
  DistillationGradient dropping;
  dropping.policy.equal_rewards = EqualRewards::drop;
  CHECK_THROWS_WITH(dropping.validate(), Catch::Contains("expected DistillationGradient.rewards"));
  dropping.rewards = true;
  CHECK_NOTHROW(dropping.validate());
}

TEST_CASE("A policy follows its teacher by the tokens that it samples",
          "[losses][distillation][trainer]") {
  const TempFolder folder;
  models::DecoderConfig config = tiny_config();
  config.vocab_size = 100;
  const models::Decoder teacher(config, {.device = test_device(), .seed = 11});
  Rollouts<Unjudged> data{.path = folder.write("prompts.jsonl", counting_prompts(8))};
  data.sampling.max_new_tokens = 6;
  data.group_size = 4;
  Options options = small_run(40, 32, 400);
  options.lr_scheduler = {.type = optim::LrScheduler::constant};
  std::vector<double> leads;
  Trainer trainer(TalkingModel(), DistillationGradient{}, WithTeacher{Full{}, teacher}, data,
                  AdamW{}, options);
  struct Watch {
    std::vector<double>* leads;
    void on(const event::RolloutEnd& event) {
      double sum = 0.0, count = 0.0;
      for (const RolloutGroup& group : event.rollout->groups) {
        for (const RolloutSample& sample : group.samples) {
          for (std::size_t i = 0; i < sample.ids.size(); ++i) {
            sum += sample.teacher_logps[i] - sample.old_logps[i];
            count += 1.0;
          }
        }
      }
      leads->push_back(sum / count);
    }
  };
  trainer.add(Watch{&leads});
  trainer.train();
  CAPTURE(leads.front(), leads.back());
  CHECK(leads.front() < -0.5);  // the negative divergence, by its samples
  CHECK(leads.back() > 0.7 * leads.front());
}
