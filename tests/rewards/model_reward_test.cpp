// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/model_reward.hpp"

#include <vector>

#include "posttrain/models/reward_decoder.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/rewards/pool.hpp"
#include "posttrain/rewards/reward_sum.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

Sample sample_of(const TokenIds& prompt, const TokenIds& ids) {
  Sample sample;
  sample.prompt_ids = prompt;
  sample.ids = ids;
  return sample;
}

}  // namespace

TEST_CASE("a reward model judges samples by their ids, beside other verifiers", "[reward]") {
  const models::RewardDecoder model(tiny_config(),
                                    {.dtype = at::kFloat, .device = test_device(), .seed = 1});
  const FrozenState gate = Frozen{}.attach(model);
  const ModelReward judge{model, gate};
  static_assert(JudgesGroup<ModelReward<models::RewardDecoder, FrozenState>>);

  std::vector<Sample> samples;
  for (std::uint64_t prompt = 1; prompt < 3; ++prompt) {
    for (std::uint64_t answer = 1; answer < 4; ++answer) {
      samples.push_back(sample_of(some_ids(4, prompt), some_ids(2 + answer, 10 * prompt + answer)));
    }
  }
  VerifierPool pool{RewardSum{judge, Weigh{[](const Sample& s) { return s.ids.size() < 5; }, 0.5}},
                    {.threads = 2}};
  const Verified verified = pool.verify(samples, 3);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::vector<models::PromptAnswers> alone{{samples[i].prompt_ids, {samples[i].ids}}};
    const double expected = models::reward_scores(model, gate, alone)[0][0];
    CHECK(verified.verdicts[i][0].value == Approx(expected).epsilon(1e-5));
    const double bonus = samples[i].ids.size() < 5 ? 0.5 : 0.0;
    CHECK(verified.rewards[i].value == Approx(expected + bonus).epsilon(1e-5));
  }
}

TEST_CASE("a reward model refuses samples without ids and of several prompts", "[reward]") {
  const models::RewardDecoder model(tiny_config(), {.device = test_device(), .seed = 1});
  const FrozenState gate = Frozen{}.attach(model);
  const ModelReward judge{model, gate};
  const auto judged = [&](const std::vector<Sample>& samples) { return judge(samples); };
  CHECK(judged({}).empty());
  CHECK_THROWS_WITH(judged({sample_of({1, 2}, {3}), sample_of({1, 4}, {3})}),
                    "expected samples of one prompt for a reward model, sample 1 of 2 has another");
  CHECK_THROWS_WITH(judged({sample_of({1, 2}, {3}), sample_of({1, 2}, {})}),
                    "expected the ids of prompt and answer for a reward model, sample 1 of 2 has "
                    "none of its answer");
  CHECK_THROWS_WITH(judged({sample_of({}, {3})}),
                    "expected the ids of prompt and answer for a reward model, sample 0 of 1 has "
                    "none of its prompt");
}
