// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/rewards.hpp"

#include <cmath>

#include "posttrain/batch/steps.hpp"
#include "posttrain/data/reward_pairs.hpp"
#include "posttrain/losses/bradley_terry.hpp"
#include "posttrain/losses/step_reward.hpp"
#include "posttrain/models/reward_decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "posttrain/rewards/reward_model.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/fixed_items.hpp"
#include "support/loss_curve.hpp"
#include "support/small_run.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

models::RewardDecoder reward_model(at::ScalarType dtype = at::kDouble, std::uint64_t seed = 1) {
  return models::RewardDecoder(tiny_config(), {.dtype = dtype, .seed = seed});
}

/// Answers of different lengths to prompts of different lengths, with margins.
AnswerPair some_pair(std::uint64_t seed) {
  const auto size = [&](std::int64_t least) {
    return least + static_cast<std::int64_t>(seed * 7 % 5);
  };
  return {some_ids(size(3), seed),
          {some_ids(size(1), seed + 100), {}},
          {some_ids(size(4), seed + 200), {}},
          0.1F * static_cast<float>(seed % 4),
          static_cast<std::int64_t>(seed)};
}

std::vector<AnswerPair> some_pairs(std::uint64_t count) {
  std::vector<AnswerPair> pairs;
  for (std::uint64_t i = 1; i <= count; ++i) pairs.push_back(some_pair(i));
  return pairs;
}

SteppedSolution some_solution(std::uint64_t seed) {
  SteppedSolution solution;
  solution.prompt = some_ids(static_cast<std::int64_t>(seed % 3), seed);
  for (std::uint64_t step = 0; step < 2 + seed % 3; ++step) {
    solution.steps.push_back(some_ids(1 + static_cast<std::int64_t>(step), seed + 10 * step));
    solution.labels.push_back(step % 2 == 0 ? 1.0F : 0.0F);
  }
  solution.labels.back() = 0.25F;
  solution.sample = static_cast<std::int64_t>(seed);
  return solution;
}

std::vector<SteppedSolution> some_solutions(std::uint64_t count) {
  std::vector<SteppedSolution> all;
  for (std::uint64_t i = 1; i <= count; ++i) all.push_back(some_solution(i));
  return all;
}

template <class Item>
std::vector<const Item*> pointers(const std::vector<Item>& items) {
  std::vector<const Item*> all;
  for (const Item& item : items) all.push_back(&item);
  return all;
}

RewardBatch packed(const std::vector<AnswerPair>& pairs, bool share = true) {
  return pack_reward_pairs(pointers(pairs), share);
}

TokenIds joined(const TokenIds& first, const TokenIds& second) {
  TokenIds all = first;
  all.insert(all.end(), second.begin(), second.end());
  return all;
}

/// The head on the hidden states of a sequence that is read alone: [tokens].
template <class Gate>
Tensor rewards_alone(const models::Decoder& model, const Gate& gate, const TokenIds& ids) {
  at::NoGradGuard no_grad;
  BatchBuilder builder;
  builder.add(ids);
  const TokenBatch batch = std::move(builder).build();
  return model.logits(gate, model.hidden(gate, batch)).squeeze(1);
}

template <class Gate>
Tensor rewards_of(const models::Decoder& model, const Gate& gate, const TokenBatch& batch) {
  at::NoGradGuard no_grad;
  const auto head = [&](const Tensor& rows) { return model.logits(gate, rows); };
  return score_predictions(head, model.hidden(gate, batch), batch, reward_needs(), 64).reward();
}

double log_sigmoid(double x) { return -std::log1p(std::exp(-x)); }

/// The objective and its gradient over these micro-batches.
template <class State, class Loss>
double run(const models::Decoder& model, State& state, const Loss& loss,
           const std::vector<typename Loss::Batch>& batches) {
  zero_gradients(state);
  const Objective objective(loss, batches);
  const auto head = [&](const Tensor& rows) { return model.logits(state, rows); };
  double total = 0.0;
  for (const auto& batch : batches) {
    total += backward_through_head(head, model.hidden(state, batch), batch, objective, loss.needs(),
                                   1.0, 3)
                 .item()
                 .toDouble();
  }
  return total;
}

/// Along the gradient the objective changes by the gradient's square.
template <class Loss>
void check_finite_differences(const Loss& loss, const std::vector<typename Loss::Batch>& batches) {
  const models::RewardDecoder model = reward_model();
  FullState state = Full{}.attach(model);
  run(model, state, loss, batches);
  std::vector<Tensor> start, direction;
  for (const ParameterGroup& group : state.trainable()) {
    start.push_back(group.master.clone());
    direction.push_back(group.grad.clone());
  }
  const double square = flat_gradient(state).square().sum().template item<double>();
  const double step = 1e-5 / std::sqrt(square);
  const auto moved = [&](double by) {
    for (std::size_t i = 0; i < start.size(); ++i) {
      state.trainable()[i].master.copy_(start[i]).add_(direction[i], by);
    }
    state.publish();
    return run(model, state, loss, batches);
  };
  CHECK(std::abs((moved(step) - moved(-step)) / (2.0 * step * square) - 1.0) < 1e-4);
}

}  // namespace

TEST_CASE("a reward is read at the last token, by length", "[rewards][C21]") {
  // Ids of padding and ends anywhere, last in an answer and all of it: they say nothing.
  constexpr TokenId kEnd = 2;
  std::vector<AnswerPair> pairs = some_pairs(3);
  pairs[0].chosen.ids = {7, kEnd, 8, kEnd, kEnd};
  pairs[1].rejected.ids = {kEnd, kEnd};
  pairs[2].prompt = {3, kEnd, kEnd};
  pairs[2].chosen.ids = {kEnd};
  const models::RewardDecoder model = reward_model();
  const FrozenState gate = Frozen{}.attach(model);
  for (const bool share : {true, false}) {
    const RewardBatch batch = packed(pairs, share);
    REQUIRE(batch.items() == 3);
    REQUIRE(batch.predictions() == 6);
    const Tensor rewards = rewards_of(model, gate, batch);
    std::int64_t tokens = 0;
    for (std::int64_t i = 0; i < 3; ++i) {
      const AnswerPair& pair = pairs[static_cast<std::size_t>(i)];
      tokens += PairKind{.share_prompts = share}.tokens(pair);
      CHECK(batch.margin[i].item<float>() == pair.margin);
      for (const bool first : {true, false}) {
        const TokenIds& answer = first ? pair.chosen.ids : pair.rejected.ids;
        const Tensor alone = rewards_alone(model, gate, joined(pair.prompt, answer));
        const double expected = alone[alone.size(0) - 1].item<double>();
        const double got = rewards[2 * i + (first ? 0 : 1)].item<double>();
        CHECK(std::abs(got - expected) < 1e-9);
        // The token before would be another number: the comparison can fail.
        CHECK(std::abs(alone[alone.size(0) - 2].item<double>() - expected) > 1e-6);
      }
    }
    CHECK(batch.tokens() == tokens);
  }
  pairs[1].chosen.ids.clear();
  CHECK_THROWS_WITH(packed(pairs),
                    "sample 2: expected a prompt and two answers of at least one token, got " +
                        std::to_string(pairs[1].prompt.size()) + ", 0 and 2");
}

TEST_CASE("gradients of rewards are finite differences, for any split", "[rewards][C1]") {
  const BradleyTerry loss{.center_rewards_coefficient = 0.05};
  const std::vector<AnswerPair> pairs = some_pairs(5);
  check_finite_differences(loss, {packed(pairs)});

  const models::RewardDecoder model = reward_model();
  FullState state = Full{}.attach(model);
  const double value = run(model, state, loss, {packed(pairs)});
  const Tensor gradient = flat_gradient(state);
  CHECK(gradient.abs().max().item<double>() > 1e-3);
  std::vector<RewardBatch> split;
  for (const AnswerPair& pair : pairs) split.push_back(packed({pair}, false));
  CHECK(std::abs(run(model, state, loss, split) - value) < 1e-6);
  CHECK(relative_error(flat_gradient(state), gradient) < 1e-6);
}

TEST_CASE("rewards of steps stand at their ends, and their loss is its formula",
          "[rewards][C1][C21]") {
  const std::vector<SteppedSolution> solutions = some_solutions(4);
  const StepRewardBatch batch = pack_steps(pointers(solutions));
  const models::RewardDecoder model = reward_model();
  FullState state = Full{}.attach(model);
  const Tensor rewards = rewards_of(model, state, batch);
  double expected = 0.0;
  std::int64_t at = 0;
  for (const SteppedSolution& solution : solutions) {
    TokenIds ids = solution.prompt;
    for (const TokenIds& step : solution.steps) ids = joined(ids, step);
    const Tensor alone = rewards_alone(model, state, ids);
    auto end = static_cast<std::int64_t>(solution.prompt.size()) - 1;
    for (std::size_t step = 0; step < solution.steps.size(); ++step) {
      end += static_cast<std::int64_t>(solution.steps[step].size());
      const double r = alone[end].item<double>(), y = solution.labels[step];
      CHECK(std::abs(rewards[at++].item<double>() - r) < 1e-9);
      expected -= y * log_sigmoid(r) + (1.0 - y) * log_sigmoid(-r);
    }
  }
  REQUIRE(batch.predictions() == at);
  for (const std::int64_t max_tokens : {1, 20, 1000}) {
    const auto judged = models::step_reward_scores(model, state, solutions, max_tokens);
    REQUIRE(judged.size() == solutions.size());
    at = 0;
    for (std::size_t i = 0; i < solutions.size(); ++i) {
      REQUIRE(judged[i].size() == solutions[i].steps.size());
      for (const double reward : judged[i]) {
        CHECK(std::abs(rewards[at++].item<double>() - reward) < 1e-9);
      }
    }
  }
  const double steps = StepReward{}.count(batch);
  REQUIRE(steps == static_cast<double>(at));
  // Chunks of three rows: the loss sees slices.
  CHECK(std::abs(run(model, state, StepReward{}, {batch}) - expected / steps) < 1e-6);
  const Tensor gradient = flat_gradient(state);
  std::vector<StepRewardBatch> split;
  for (const SteppedSolution& solution : solutions) split.push_back(pack_steps({{&solution}}));
  CHECK(std::abs(run(model, state, StepReward{}, split) - expected / steps) < 1e-6);
  CHECK(relative_error(flat_gradient(state), gradient) < 1e-6);
  check_finite_differences(StepReward{}, {batch});
}

TEST_CASE("a judge gives each answer its reward, however many it reads at a time",
          "[rewards][C21]") {
  const models::RewardDecoder model = reward_model();
  std::vector<models::PromptAnswers> all;
  for (std::uint64_t i = 1; i < 5; ++i) {
    models::PromptAnswers one{some_ids(3 + static_cast<std::int64_t>(i), i), {}};
    for (std::uint64_t k = 0; k < i % 4; ++k) {  // the last prompt has none
      one.answers.push_back(some_ids(1 + static_cast<std::int64_t>(3 * k), 10 * i + k));
    }
    all.push_back(std::move(one));
  }
  const auto check = [&](const auto& gate, const auto& alone) {
    for (const std::int64_t max_tokens : {1, 17, 1000}) {
      const auto rewards = models::reward_scores(model, gate, all, max_tokens);
      REQUIRE(rewards.size() == all.size());
      for (std::size_t i = 0; i < all.size(); ++i) {
        REQUIRE(rewards[i].size() == all[i].answers.size());
        for (std::size_t k = 0; k < rewards[i].size(); ++k) {
          CHECK(std::abs(rewards[i][k] - alone(joined(all[i].prompt, all[i].answers[k]))) < 1e-9);
        }
      }
    }
  };
  const FrozenState gate = Frozen{}.attach(model);
  check(gate, [&](const TokenIds& ids) {
    const Tensor rewards = rewards_alone(model, gate, ids);
    return rewards[rewards.size(0) - 1].item<double>();
  });
  // With a soft prompt before every sequence.
  const auto soft = PromptTuning{.num_virtual_tokens = 3}.attach(model);
  check(soft, [&](const TokenIds& ids) {
    BatchBuilder builder;
    builder.add(ids);
    builder.reward(static_cast<std::int64_t>(ids.size()) - 1);
    builder.end_sequence();
    return rewards_of(model, soft, prepared(soft, std::move(builder).build()))[0]
        .template item<double>();
  });
}

TEST_CASE("a Trainer learns rewards on every selection", "[rewards][trainer]") {
  const models::RewardDecoder model = reward_model(at::kFloat);
  const auto check = [&](const auto& loss, const auto& params, const auto& data) {
    INFO(describe(params));
    std::vector<StepMetrics> steps;
    Trainer trainer(model, loss, params, data, AdamW{}, small_run(25, 6, 40));
    trainer.add(StepCurve{steps});
    const TrainResult result = trainer.train();
    CHECK(steps.front().grad_accum > 1);
    CHECK(steps.back().loss < 0.8 * steps.front().loss);
    CHECK(metric(steps.front(), "accuracy") < 1.0);
    CHECK(metric(steps.back(), "accuracy") > metric(steps.front(), "accuracy"));
    CHECK(std::isfinite(result.val_loss));
  };
  const RewardPairs pairs{FixedItems<PairKind>{some_pairs(6), some_pairs(2)}};
  const BradleyTerry loss{.center_rewards_coefficient = 0.01};
  check(loss, Full{}, pairs);
  check(loss, Lora{.rank = 4, .modules_to_save = "score"}, pairs);
  check(loss, Osft{.unfreeze_rank_ratio = 0.5}, pairs);
  check(loss, BasicLora<Nf4>{.rank = 4, .modules_to_save = "score"}, pairs);
  check(loss, PromptTuning{.num_virtual_tokens = 8}, pairs);
  check(StepReward{}, Full{}, FixedItems<StepKind>{some_solutions(6), some_solutions(2)});
}
