// SPDX-License-Identifier: Apache-2.0
// Reinforcement learning from preferences: a reward model is trained on pairs, then the policy by
// what it scores, with PPO and a critic or with GRPO:
//   13_rlhf --model build/tuned --preferences examples/pocket/data/preferences.jsonl
//     --held-out examples/pocket/data/preferences_heldout.jsonl --output build/aligned --method ppo
// Policy and critic are LoRA adapters and the reward model; the reference is the model without
// adapters. The distance from it (kl) is printed beside the reward: what a judge likes ever more
// while kl grows without bound is no longer what people preferred. Run again, it goes on where it
// was.
#include <cstdio>
#include <string>

#include "posttrain/data/preferences.hpp"
#include "posttrain/data/reward_pairs.hpp"
#include "posttrain/data/rollouts.hpp"
#include "posttrain/generate/chat.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/hub/reward_model.hpp"
#include "posttrain/losses/bradley_terry.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/losses/ppo.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/with_critic.hpp"
#include "posttrain/params/with_critic_model.hpp"
#include "posttrain/rewards/model_reward.hpp"
#include "posttrain/trainer.hpp"
#include "support/options.hpp"
#include "support/train_and_save.hpp"

namespace {

using namespace posttrain;

enum class Method { ppo, grpo };
enum class Critic { model, trunk };

struct Arguments {
  std::string model, preferences, held_out, output;
  Method method = Method::ppo;
  Critic critic = Critic::model;  // of PPO: a copy of the reward model, or a head on the policy
  double kl = 0.05;               // coefficient of the distance from the reference
  std::int64_t rank = 16;         // of the policy's adapters
  std::int64_t group_size = 4;    // samples of a prompt
  std::int64_t max_new_tokens = 32;
  double judge_learning_rate = 1e-4;
  std::int64_t judge_epochs = 1;
};

/// Prints what a step was rewarded with, and held-out rewards.
struct Watch {
  static void print(std::int64_t step, const char* of, const data::Metrics& metrics) {
    std::string line = fmt::format("step {}{}:", step, of);
    for (const auto& [name, value] : metrics) {
      for (const char* shown : {"reward", "kl", "value/error"}) {
        if (name == shown) line += fmt::format(" {} {:.3f}", name, value);
      }
    }
    fmt::print("{}\n", line);
    std::fflush(stdout);
  }
  void on(const event::AfterStep& event) const {
    print(event.metrics.step, "", event.metrics.loss_metrics);
  }
  void on(const event::Evaluated& event) const {
    print(event.step, ", held-out", event.loss_metrics);
  }
};

/// Trains the reward model, unless an earlier run did, and saves it.
void train_judge(const Arguments& arguments, const std::string& folder) {
  Options options{.num_epochs = arguments.judge_epochs,
                  .effective_batch_size = 32,
                  .learning_rate = arguments.judge_learning_rate};
  options.run_dir = folder + "-run";
  Trainer trainer(hub::RewardModel(arguments.model),
                  BradleyTerry{.center_rewards_coefficient = 0.01}, Full{},
                  RewardPairs{Preferences{.path = arguments.preferences,
                                          .validation_path = arguments.held_out}},
                  AdamW{}, options);
  struct Accuracy {
    void on(const event::Evaluated& event) const {
      for (const auto& [name, value] : event.loss_metrics) {
        if (name == "accuracy") fmt::print("reward model: {:.3f} of held-out pairs\n", value);
      }
    }
  };
  trainer.add(Accuracy{});
  trainer.check_save(folder);
  examples::train(trainer);
  examples::at_work([&] { trainer.save(folder); });
}

template <class Loss, class Params, class Data>
void train_policy(const Arguments& arguments, const hub::PretrainedDecoder& model, const Loss& loss,
                  const Params& params, const Data& data, const Options& options) {
  Trainer trainer(model, loss, params, data, AdamW{}, options);
  trainer.add(Watch{});
  examples::train_and_save(trainer, arguments.output, [&](const char* when) {
    const std::string asked = "What is 7 * 8?";
    fmt::print("{}: {} -> {}\n", when, asked,
               answer(model, trainer.state(), Json{{{"role", "user"}, {"content", asked}}}, {}));
  });
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  Options options{.max_steps = 100, .effective_batch_size = 64, .learning_rate = 1e-3};
  options.lr_scheduler = {.type = optim::LrScheduler::constant};
  examples::CommandLine line("Reinforcement learning from preferences, with PPO or GRPO");
  line.add(arguments, {"model", "preferences", "held_out", "output"});
  line.add(options);
  return line.run(argc, argv, [&] {
    if (options.run_dir.empty()) options.run_dir = arguments.output + "-run";
    const std::string judge_folder = arguments.output + "-judge";
    train_judge(arguments, judge_folder);

    const hub::PretrainedDecoder model(arguments.model);
    // [snippet: judge]
    const hub::RewardModel judge(judge_folder);
    const auto gate = Frozen{}.attach(judge);
    Rollouts<ModelReward<hub::RewardModel, FrozenState>> data{.path = arguments.preferences,
                                                              .verifier = {judge, gate}};
    // [/snippet]
    data.validation_path = arguments.held_out;
    data.group_size = arguments.group_size;
    data.sampling.max_new_tokens = arguments.max_new_tokens;
    const Lora lora{.rank = arguments.rank, .alpha = 2.0 * static_cast<double>(arguments.rank)};
    if (arguments.method == Method::grpo) {
      const Grpo::With<Kl> loss{.kl = {.coefficient = arguments.kl}};
      return train_policy(arguments, model, loss, lora, data, options);
    }
    Ppo::With<Kl> loss;
    loss.policy.kl.coefficient = arguments.kl;
    if (arguments.critic == Critic::trunk) {
      return train_policy(arguments, model, loss, WithCritic{lora}, data, options);
    }
    // [snippet: ppo]
    train_policy(arguments, model, loss, WithCriticModel{lora, judge, Full{}}, data, options);
    // [/snippet]
  });
}
