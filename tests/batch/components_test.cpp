// SPDX-License-Identifier: Apache-2.0
// The lines of docs/components.md on batch/, with their results.
#include <vector>

#include "posttrain/batch/answers.hpp"
#include "posttrain/batch/forest.hpp"
#include "posttrain/batch/pairs.hpp"
#include "posttrain/batch/rewards.hpp"
#include "posttrain/batch/steps.hpp"
#include "posttrain/batch/tokens.hpp"
#include "posttrain/batch/virtual_tokens.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;

namespace {

std::vector<std::int64_t> integers(const Tensor& x) {
  return {x.data_ptr<std::int64_t>(), x.data_ptr<std::int64_t>() + x.numel()};
}

}  // namespace

TEST_CASE("components: sequences pack without padding", "[components]") {
  // [snippet: sequences]
  const Sequence chat{{11, 12, 13, 14}, {0, 0, 1, 1}};  // two tokens read, two scored
  const Sequence text{{21, 22}, {0, 1}};
  const TokenBatch batch = pack_sequences(std::vector<const Sequence*>{&chat, &text});
  // batch.ids: 11 12 13 14 21 22; row: 1 2 4; target: 13 14 22; offsets: 0 2 3
  // [/snippet]
  CHECK(integers(batch.ids) == std::vector<std::int64_t>{11, 12, 13, 14, 21, 22});
  CHECK(integers(batch.row) == std::vector<std::int64_t>{1, 2, 4});
  CHECK(integers(batch.target) == std::vector<std::int64_t>{13, 14, 22});
  CHECK(batch.offsets == std::vector<std::int64_t>{0, 2, 3});
  CHECK(token_positions(batch.nodes) == std::vector<std::int64_t>{0, 1, 2, 3, 0, 1});
}

TEST_CASE("components: a forest says what attends to what", "[components]") {
  // [snippet: forest]
  // A prompt of 3 tokens with continuations of 2 and 1.
  const std::vector<Segment> nodes{{0, 3, 6, 0}, {3, 5, 5, 3}, {5, 6, 6, 3}};
  const auto positions = token_positions(nodes);  // 0 1 2 3 4 3
  const auto parts = attention_parts(nodes);      // 3 causal ones, and [3, 6) sees [0, 3)
  // [/snippet]
  CHECK(positions == std::vector<std::int64_t>{0, 1, 2, 3, 4, 3});
  REQUIRE(parts.size() == 4);
  CHECK(parts[0].causal);
  CHECK_FALSE(parts[1].causal);
  CHECK((parts[1].q0 == 3 && parts[1].q1 == 6 && parts[1].k0 == 0 && parts[1].k1 == 3));
  CHECK(tree_lengths(nodes) == std::vector<std::int64_t>{5, 5, 5});
}

TEST_CASE("components: the prompt of a pair is read once", "[components]") {
  // [snippet: pairs]
  const AnswerPair pair{
      .prompt = {11, 12}, .chosen = {{21, 22}, {1, 1}}, .rejected = {{31}, {1}}, .margin = 0.5F};
  const PairBatch batch = pack_pairs(std::vector<const AnswerPair*>{&pair});
  // ids: 11 12 21 22 31; row: 1 2 1; target: 21 22 31; sequences 0 and 1: chosen, rejected
  // [/snippet]
  CHECK(batch.items() == 1);
  CHECK(integers(batch.ids) == std::vector<std::int64_t>{11, 12, 21, 22, 31});
  CHECK(integers(batch.row) == std::vector<std::int64_t>{1, 2, 1});
  CHECK(integers(batch.target) == std::vector<std::int64_t>{21, 22, 31});
  CHECK(batch.offsets == std::vector<std::int64_t>{0, 2, 3});
  CHECK(pack_pairs(std::vector<const AnswerPair*>{&pair}, /*share_prompts=*/false).tokens() == 7);
}

TEST_CASE("components: judged answers", "[components]") {
  const Answer good{.prompt = {11, 12}, .answer = {{21, 22}, {1, 1}}, .desirable = true};
  const Answer bad{.prompt = {11, 12}, .answer = {{31}, {1}}, .desirable = false};
  // [snippet: answers]
  // Each with an answer to another prompt, from which KTO estimates its KL.
  const Sequence other{{41, 42}, {1, 1}};
  const AnswerBatch batch =
      pack_answers(std::vector<MatchedAnswer>{{&good, &other}, {&bad, &other}});
  // batch.desirable: true false; the prompt is read once
  // [/snippet]
  CHECK(batch.items() == 2);
  CHECK(batch.tokens() == 5);
  CHECK(batch.desirable[0].item<bool>());
  CHECK_FALSE(batch.desirable[1].item<bool>());
  CHECK(batch.mismatched.predictions() > 0);
}

TEST_CASE("components: rewards are read at last tokens", "[components]") {
  const AnswerPair pair{.prompt = {11, 12}, .chosen = {{21, 22}, {1, 1}}, .rejected = {{31}, {1}}};
  // [snippet: rewards]
  const RewardBatch pairs = pack_reward_pairs(std::vector<const AnswerPair*>{&pair});
  // pairs.row: 3 4, the last tokens of the chosen and the rejected answer
  const SteppedSolution solution{.prompt = {11}, .steps = {{21, 22}, {31}}, .labels = {1, 0}};
  const StepRewardBatch steps = pack_steps(std::vector<const SteppedSolution*>{&solution});
  // steps.row: 2 3; steps.label: 1 0
  // [/snippet]
  CHECK(integers(pairs.row) == std::vector<std::int64_t>{3, 4});
  CHECK(integers(steps.row) == std::vector<std::int64_t>{2, 3});
  CHECK(steps.label[0].item<float>() == 1.0F);
  CHECK(steps.label[1].item<float>() == 0.0F);
}

TEST_CASE("components: a gate with virtual tokens reads a batch of its own", "[components]") {
  const models::Decoder model = test::tiny_model();
  const TokenBatch batch = test::batch_of({test::some_sequence(6, 1), test::some_sequence(4, 2)});
  // [snippet: virtual]
  const auto gate = PromptTuning{.num_virtual_tokens = 3}.attach(model);
  const TokenBatch ready = prepared(gate, batch);   // the same batch where a gate has none
  const Tensor hidden = model.hidden(gate, ready);  // [3 + 10, d]
  // [/snippet]
  CHECK(virtual_tokens(gate) == 3);
  CHECK(hidden.size(0) == 13);
  CHECK(ready.target.equal(batch.target));
  CHECK(ready.row.equal(batch.row + 3));
}
