// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/reward_model.hpp"

#include <vector>

#include "posttrain/models/reward_decoder.hpp"
#include "posttrain/params/frozen.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;
using models::PromptAnswers;
using models::reward_scores;
using models::step_reward_scores;

namespace {

const models::RewardDecoder& judge() {
  static const models::RewardDecoder model(
      tiny_config(), {.dtype = at::kDouble, .device = test_device(), .seed = 1});
  return model;
}

/// The reward at the last token of one sequence alone.
double reward_of(const FrozenState& gate, const TokenIds& prompt, const TokenIds& rest) {
  Sequence sequence{prompt, {}};
  sequence.ids.insert(sequence.ids.end(), rest.begin(), rest.end());
  sequence.weights.assign(sequence.ids.size(), 1.0F);
  const Tensor hidden = judge().hidden(gate, batch_of({sequence}));
  return judge().logits(gate, hidden.narrow(0, hidden.size(0) - 1, 1)).item<double>();
}

}  // namespace

TEST_CASE("an answer's reward is that of its whole sequence alone, however many are read at a time",
          "[reward]") {
  const FrozenState gate = Frozen{}.attach(judge());
  const std::vector<PromptAnswers> all{
      {some_ids(5, 1), {some_ids(3, 2), some_ids(9, 3), some_ids(1, 4)}},
      {some_ids(2, 5), {}},
      {some_ids(7, 6), {some_ids(4, 7)}}};
  for (const std::int64_t max_tokens : {1, 12, 1000}) {
    INFO("at most " << max_tokens << " tokens");
    const auto rewards = reward_scores(judge(), gate, all, max_tokens);
    REQUIRE(rewards.size() == 3);
    for (std::size_t i = 0; i < all.size(); ++i) {
      REQUIRE(rewards[i].size() == all[i].answers.size());
      for (std::size_t k = 0; k < rewards[i].size(); ++k) {
        CHECK(rewards[i][k] ==
              Approx(reward_of(gate, all[i].prompt, all[i].answers[k])).epsilon(1e-9));
      }
    }
  }
  CHECK(reward_scores(judge(), gate, {}).empty());
}

TEST_CASE("a step's reward is read at its end, whatever the labels", "[reward]") {
  const FrozenState gate = Frozen{}.attach(judge());
  std::vector<SteppedSolution> all{{some_ids(4, 1), {some_ids(3, 2), some_ids(2, 3)}, {1.0F, 0.0F}},
                                   {{}, {some_ids(6, 4)}, {}}};
  const auto rewards = step_reward_scores(judge(), gate, all);
  REQUIRE(rewards.size() == 2);
  REQUIRE(rewards[0].size() == 2);
  CHECK(rewards[0][0] == Approx(reward_of(gate, all[0].prompt, all[0].steps[0])).epsilon(1e-9));
  TokenIds both = all[0].steps[0];
  both.insert(both.end(), all[0].steps[1].begin(), all[0].steps[1].end());
  CHECK(rewards[0][1] == Approx(reward_of(gate, all[0].prompt, both)).epsilon(1e-9));
  CHECK(rewards[1].at(0) == Approx(reward_of(gate, {}, all[1].steps[0])).epsilon(1e-9));
  const auto one_by_one = step_reward_scores(judge(), gate, all, 1);
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    for (std::size_t k = 0; k < rewards[i].size(); ++k) {
      CHECK(one_by_one.at(i).at(k) == Approx(rewards[i][k]).epsilon(1e-9));
    }
  }
}
