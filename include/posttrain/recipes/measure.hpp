// SPDX-License-Identifier: Apache-2.0
// How much memory a run really takes: one optimizer step of a Trainer on the largest micro-batch
// that its options allow, of made-up ids (recipes/estimate.hpp reckons the same).
//
//   const MeasuredMemory measured = measure({.training_method = "lora",
//                                            .model_path = "model"});
//
// The peak is the process's own since it began, so a process measures once. A reference that is no
// second model is the base of adapters and subspaces, or the model itself before its first step.
// Whoever includes this compiles a Trainer of each loss.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/data/preferences.hpp"
#include "posttrain/data/reward_pairs.hpp"
#include "posttrain/data/rollout_file.hpp"
#include "posttrain/generate/generator.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/hub/reward_model.hpp"
#include "posttrain/losses/bradley_terry.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/losses/kto.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/recipes/any_optimizer.hpp"
#include "posttrain/recipes/chosen_params.hpp"
#include "posttrain/recipes/impl/made_up_data.hpp"
#include "posttrain/recipes/impl/worst_case.hpp"
#include "posttrain/recipes/scalar_type.hpp"
#include "posttrain/trainer.hpp"

namespace posttrain {

struct MeasuredMemory {
  std::int64_t peak = 0;  // bytes resident at most, of the process since it began
  Footprint footprint{};  // what the run held before its step
  double loss = 0.0;      // of the step
};

namespace detail {

template <class Model>
Model measured_model(const EstimateOptions& options) {
  const std::string path = options.model_path.str();
  const models::ModelOptions of_model{.dtype = scalar_type(options.train_dtype)};
  return options.from_scratch ? Model::from_scratch(path, of_model) : Model(path, of_model);
}

/// Samples what a rollout of these options would, as Rollouts do.
template <class Model, class State>
void sample_rollout(const Model& model, const State& state, const EstimateOptions& options) {
  const WorstCase worst = worst_case(options);
  Generator generator(model, state, {});
  std::vector<Request> requests;
  for (std::int64_t i = 0; i < worst.prompts; ++i) {
    requests.push_back({.prompt = made_up_ids(worst.prompt, i, model.vocab_size()),
                        .sampling = {.max_new_tokens = options.max_tokens},
                        .samples = options.num_generations,
                        .prompt_index = static_cast<std::uint64_t>(i)});
  }
  generator.run(std::move(requests));
}

template <class Model, class Loss, class Data>
MeasuredMemory measure_step(const EstimateOptions& options, const Loss& loss, const Data& data) {
  Options run;
  run.effective_batch_size = data.sizes.items * (options.rolls_out() ? data.sizes.answers : 1);
  run.max_tokens_per_batch = data.sizes.tokens;
  run.max_steps = 1;
  run.gradient_checkpointing = options.gradient_checkpointing;
  run.progress = false;
  Trainer trainer(measured_model<Model>(options), loss, ChosenParams(options), data,
                  AnyOptimizer{.name = options.optimizer}, run);
  if (options.rolls_out()) sample_rollout(trainer.model(), trainer.state(), options);
  MeasuredMemory measured;
  measured.footprint = trainer.footprint();
  measured.loss = trainer.train().loss;
  measured.peak = static_cast<std::int64_t>(peak_memory_gib() * 1024.0 * 1024.0 * 1024.0);
  return measured;
}

}  // namespace detail

/// Loads the model and makes one optimizer step of one micro-batch; of grpo, a rollout before it.
inline MeasuredMemory measure(const EstimateOptions& options) {
  using enum TrainingMethod;
  options.validate();
  const detail::WorstCase sizes = detail::worst_case(options);
  using Decoder = hub::PretrainedDecoder;
  switch (options.training_method) {
    case dpo:
      return detail::measure_step<Decoder>(options, Dpo{}, detail::MadeUpPairs{sizes});
    case kto:
      return detail::measure_step<Decoder>(options, Kto{}, detail::MadeUpAnswers{sizes});
    case reward:
      return detail::measure_step<hub::RewardModel>(options, BradleyTerry{},
                                                    detail::MadeUpRewardPairs{sizes});
    case grpo:
      return detail::measure_step<Decoder>(options, Grpo::With<Kl>{},
                                           detail::MadeUpRollouts{sizes});
    case sft:
    case osft:
    case lora:
    case qlora:
      break;
  }
  return detail::measure_step<Decoder>(options, NextToken{}, detail::MadeUpSequences{sizes});
}

}  // namespace posttrain
