// SPDX-License-Identifier: Apache-2.0
// Several ranks train what one rank trains: losses, weights and validations agree to 1e-6 after 20
// steps, for losses on pairs and answers, losses that gather, and rollouts. Parameter policies:
// ranks_policies_test.cpp.
#include "posttrain/losses/aot_pair.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/losses/kto.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/policy/covariance_clip.hpp"
#include "posttrain/losses/policy_loss.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/with_reference_scores.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/check_ranks.hpp"
#include "support/messages.hpp"
#include "support/rollout_model.hpp"
#include "support/some_pairs.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::check_ranks;
using posttrain::test::next_token_with;
using posttrain::test::rank_options;
using posttrain::test::rank_sequences;

namespace {

/// The first of two ranks, which meets nobody.
class Unmet final : public Communicator {
 public:
  Unmet() : Communicator({.rank = 0, .size = 2}) {}

 private:
  Pending begin_all_reduce(const Tensor&, Reduction) override { return {}; }
  Pending begin_reduce_scatter(const Tensor&, const Tensor&) override { return {}; }
  Pending begin_all_gather(const Tensor&, const Tensor&) override { return {}; }
  Pending begin_broadcast(const Tensor&, std::int64_t) override { return {}; }
};

}  // namespace

TEST_CASE("ranks: all weights", "[ranks_training]") {
  check_ranks(next_token_with(Full{}), {2, 3, 4, 8});
}
TEST_CASE("ranks on a device that their communicator does not reach are refused",
          "[ranks_training]") {
  if (test::on_cpu()) return;  // the tests run on a device as well
  CHECK(test::contains(
      test::error_of([] { next_token_with(Full{})({.over = std::make_shared<Unmet>()}); }),
      "2 ranks on cuda:0, and their communicator moves nothing of it"));
}
TEST_CASE("ranks: fewer sequences than ranks", "[ranks_training]") {
  check_ranks(next_token_with(Full{}, 2), {3});
}
TEST_CASE("ranks: NEFTune's noise is that of the sequence", "[ranks_training]") {
  check_ranks([](const Ranks& ranks) {
    Options noisy = rank_options();
    noisy.neftune_noise_alpha = 5.0;
    return Trainer(test::tiny_model(at::kFloat), NextToken{}, Full{}, rank_sequences(), AdamW{},
                   noisy, ranks);
  });
}
TEST_CASE("ranks: pairs with a reference", "[ranks_training]") {
  check_ranks([](const Ranks& ranks) {
    return Trainer(test::tiny_model(at::kFloat), Dpo{}, Lora{.rank = 4}, test::fixed_pairs(),
                   AdamW{}, rank_options(4), ranks);
  });
}
TEST_CASE("ranks: pairs with scores of the reference from before", "[ranks_training]") {
  check_ranks([](const Ranks& ranks) {
    return Trainer(test::tiny_model(at::kFloat), Dpo{}, WithReferenceScores{Full{}},
                   test::fixed_pairs(), AdamW{}, rank_options(4), ranks);
  });
}
TEST_CASE("ranks: a loss that gathers the margins of a step", "[ranks_training]") {
  check_ranks([](const Ranks& ranks) {
    Options all = rank_options(6);
    all.max_tokens_per_batch = 40;
    return Trainer(test::tiny_model(at::kFloat), AotPair{}, Lora{.rank = 4, .dropout = 0.1},
                   test::fixed_pairs(12), AdamW{}, all, ranks);
  });
}
TEST_CASE("ranks: a loss that gathers scores of other answers", "[ranks_training]") {
  std::vector<Answer> answers;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const AnswerPair pair = test::some_pair(seed);
    answers.push_back({pair.prompt, pair.chosen, seed % 3 != 0, static_cast<std::int64_t>(seed)});
  }
  const test::FixedItems<AnswerKind> data{answers,
                                          std::vector(answers.begin(), answers.begin() + 5)};
  check_ranks([&](const Ranks& ranks) {
    Options all = rank_options(6);
    all.max_tokens_per_batch = 40;
    return Trainer(test::tiny_model(at::kFloat), Kto{}, Lora{.rank = 4}, data, AdamW{}, all, ranks);
  });
}
TEST_CASE("ranks: rollouts whose loss gathers and compares with the old policy",
          "[ranks_training]") {
  const test::TempFolder folder;
  const std::string path = folder.write("prompts.jsonl", test::counting_prompts(6));
  check_ranks([path](const Ranks& ranks) {
    Options all = rank_options(8);
    all.max_tokens_per_batch = 60;
    all.max_steps = 6;
    all.validation_frequency = 0;
    auto data = test::short_rollouts<>(path);
    data.num_iterations = 2;
    return Trainer(test::TalkingModel(),
                   PolicyLoss<CovarianceClip>{.term = {.share = 0.2, .low = 0.0}}, Full{}, data,
                   AdamW{}, all, ranks);
  });
}
TEST_CASE("ranks: recomputed layers", "[ranks_training]") {
  check_ranks([](const Ranks& ranks) {
    Options all = rank_options();
    all.gradient_checkpointing = true;
    return Trainer(test::tiny_model(at::kFloat), NextToken{}, Full{}, rank_sequences(), AdamW{},
                   all, ranks);
  });
}
TEST_CASE("ranks: rollouts", "[ranks_training]") {
  const test::TempFolder folder;
  const std::string path = folder.write("prompts.jsonl", test::counting_prompts(6));
  check_ranks([path](const Ranks& ranks) {
    Options all = rank_options(8);
    all.max_tokens_per_batch = 200;
    all.max_steps = 6;
    all.validation_frequency = 0;
    return Trainer(test::TalkingModel(), Grpo{}, Full{}, test::short_rollouts<>(path), AdamW{}, all,
                   ranks);
  });
}
