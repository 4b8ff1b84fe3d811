// SPDX-License-Identifier: Apache-2.0
// Several ranks train what one rank trains, for every parameter policy and for storages of each
// kind, critics and teachers beside them.
#include <filesystem>
#include <string>
#include <vector>

#include "posttrain/losses/distillation.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/ppo.hpp"
#include "posttrain/models/reward_decoder.hpp"
#include "posttrain/params/eva.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/osft_factored.hpp"
#include "posttrain/params/osft_on_inputs.hpp"
#include "posttrain/params/prefix_tuning.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "posttrain/params/with_critic.hpp"
#include "posttrain/params/with_critic_model.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/params/with_moving_reference.hpp"
#include "posttrain/params/with_teacher.hpp"
#include "posttrain/storage/gguf.hpp"
#include "posttrain/storage/int8.hpp"
#include "posttrain/storage/nf4.hpp"
#include "support/check_ranks.hpp"
#include "support/rollout_model.hpp"
#include "support/some_pairs.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::check_ranks;
using posttrain::test::next_token_with;
using posttrain::test::rank_options;
using posttrain::test::tiny_model;

namespace {

InputStatistics some_inputs() {
  const models::Decoder model = tiny_model(at::kFloat);
  const std::vector<TokenBatch> batches{
      test::batch_of({test::some_sequence(40, 1), test::some_sequence(40, 2)})};
  return input_statistics(model, Frozen{}.attach(model), batches);
}

template <class Params>
auto pairs_with(const Params& params) {
  return [params](const Ranks& ranks) {
    return Trainer(tiny_model(at::kFloat), Dpo{}, params, test::fixed_pairs(), AdamW{},
                   rank_options(4), ranks);
  };
}

template <class Loss, class Params>
auto rollouts_with(const Loss& loss, const Params& params, const std::string& path) {
  return [=](const Ranks& ranks) {
    Options all = rank_options(8);
    all.max_tokens_per_batch = 80;
    all.max_steps = 6;
    all.validation_frequency = 0;
    return Trainer(test::TalkingModel(), loss, params, test::short_rollouts<>(path), AdamW{}, all,
                   ranks);
  };
}

template <class Model>
Model another_model() {
  models::DecoderConfig config = test::tiny_config();
  config.vocab_size = 100;
  return Model(config, {.dtype = at::kFloat, .device = test::test_device(), .seed = 11});
}

}  // namespace

TEST_CASE("ranks: all weights of some layers on stored matrices", "[ranks_policies]") {
  check_ranks(next_token_with(BasicFull<Int8>{.train = "layers.1"}));
  check_ranks(next_token_with(BasicFull<Gguf>{.train = "layers.1"}));
}
TEST_CASE("ranks: a head of its own, and one that is the embedding", "[ranks_policies]") {
  for (const bool tied : {false, true}) {
    const auto with = [tied](const auto& params) {
      return [=](const Ranks& ranks) {
        models::DecoderConfig config = test::tiny_config();
        config.tied = tied;
        return Trainer(models::Decoder(config, {.dtype = at::kFloat, .seed = 3}), NextToken{},
                       params, test::rank_sequences(), AdamW{}, rank_options(), ranks);
      };
    };
    check_ranks(with(Full{}));
    check_ranks(with(Lora{.rank = 4, .modules_to_save = "embed_tokens, lm_head"}));
    check_ranks(with(Lora{.rank = 4, .target_modules = "lm_head, q_proj"}));
    if (!tied) continue;
    check_ranks(
        with(Lora{.rank = 4, .modules_to_save = "embed_tokens", .ensure_weight_tying = true}));
  }
}
TEST_CASE("ranks: LoRA", "[ranks_policies]") {
  check_ranks(next_token_with(Lora{.rank = 4, .dropout = 0.1}), {2, 3, 4, 8});
  check_ranks(next_token_with(Lora{.rank = 4, .use_dora = true}));
  check_ranks(next_token_with(Lora{.rank = 4, .init = LoraInit::olora}));
  check_ranks(next_token_with(Lora{.rank = 4, .init = LoraInit::pissa}));
  check_ranks(next_token_with(Lora{.rank = 4, .modules_to_save = "norm"}));
}
TEST_CASE("ranks: LoRA on stored matrices", "[ranks_policies]") {
  check_ranks(next_token_with(BasicLora<Nf4>{.rank = 4}));
  check_ranks(next_token_with(BasicLora<Nf4>{.rank = 4, .init = LoraInit::loftq}));
  check_ranks(next_token_with(BasicLora<Int8>{.rank = 4}));
  check_ranks(next_token_with(BasicLora<Gguf>{.rank = 4}));
}
TEST_CASE("ranks: EVA", "[ranks_policies]") {
  check_ranks(next_token_with(BasicEva<Dense>{.lora = {.rank = 4}, .inputs = some_inputs()}));
}
TEST_CASE("ranks: OSFT", "[ranks_policies]") {
  check_ranks(next_token_with(Osft{.unfreeze_rank_ratio = 0.5}), {2, 3, 4, 8});
  check_ranks(
      next_token_with(Osft{.unfreeze_rank_ratio = 0.5, .projection = OsftProjection::joint}));
  check_ranks(next_token_with(BasicOsft<Nf4>{.unfreeze_rank_ratio = 0.5}));
  check_ranks(
      next_token_with(BasicOsftOnInputs<Dense>{{.unfreeze_rank_ratio = 0.5}, some_inputs()}));
  check_ranks(next_token_with(OsftFactored{.unfreeze_rank_ratio = 0.5}));
}
TEST_CASE("ranks: each finds some of OSFT's subspaces, and all have all of them",
          "[ranks_policies]") {
  if (!test::on_cpu()) return;
  const models::Decoder model = tiny_model(at::kFloat);
  for (const double ratio : {0.25, 0.9}) {  // complements in either form
    auto alone = Osft{.unfreeze_rank_ratio = ratio}.attach(model);
    const std::size_t targets = alone.targets().size();
    const test::TempFolder folder;
    std::vector<std::size_t> found(3);
    std::vector<std::vector<NamedTensor>> first(3), second(3);
    const auto errors = test::on_gloo(3, [&](const std::shared_ptr<Communicator>& ranks) {
      const auto rank = static_cast<std::size_t>(ranks->rank());
      const std::string cache = (folder / std::to_string(rank)).string();
      auto state = Osft{.unfreeze_rank_ratio = ratio, .cache_dir = cache}.attach(model, ranks);
      for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(cache)) {
        found[rank] += 1;
      }
      first[rank] = state.checkpoint_tensors();
      state.begin_task("next", {.unfreeze_rank_ratio = ratio / 2, .keep_protected = true});
      second[rank] = state.checkpoint_tensors();
    });
    REQUIRE(errors == std::vector<std::string>(3));
    for (const std::size_t each : found) CHECK(each >= targets / 4);
    CHECK(found[0] + found[1] + found[2] == targets);
    const auto same = [](const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
      REQUIRE(a.size() == b.size());
      for (std::size_t i = 0; i < a.size(); ++i) {
        CHECK(a[i].name == b[i].name);
        CHECK(at::equal(a[i].value, b[i].value));
      }
    };
    for (const auto& bases : first) same(bases, alone.checkpoint_tensors());
    alone.begin_task("next", {.unfreeze_rank_ratio = ratio / 2, .keep_protected = true});
    for (const auto& bases : second) same(bases, alone.checkpoint_tensors());
  }
}
TEST_CASE("ranks: a soft prompt and a prefix", "[ranks_policies]") {
  check_ranks(next_token_with(PromptTuning{.num_virtual_tokens = 3}), {2, 3, 4, 8});
  check_ranks(next_token_with(PrefixTuning{.num_virtual_tokens = 3}), {2, 3, 4, 8});
}
TEST_CASE("ranks: references that stand beside the weights", "[ranks_policies]") {
  check_ranks(pairs_with(WithFrozenReference{Full{}}));
  check_ranks(pairs_with(WithMovingReference{Full{}}));
  check_ranks(pairs_with(Osft{.unfreeze_rank_ratio = 0.5}));
}
TEST_CASE("ranks: critics and teachers", "[ranks_policies]") {
  const test::TempFolder folder;
  const std::string path = folder.write("prompts.jsonl", test::counting_prompts(6));
  const auto teacher = another_model<models::Decoder>();
  const auto critic = another_model<models::RewardDecoder>();
  check_ranks(rollouts_with(Ppo{}, WithCritic{Full{}}, path));
  check_ranks(rollouts_with(Ppo{}, WithCriticModel{Full{}, critic, Full{}}, path));
  check_ranks(rollouts_with(OnPolicyDistillation{}, WithTeacher{Full{}, teacher}, path));
}
