// SPDX-License-Identifier: Apache-2.0
// A reward model on given pairs, for comparison with transformers, TRL and PEFT:
//   reward --model DIR --batch batch.json --out out.safetensors [--center C] [--lora | --from
//     ADAPTER] [--steps N] [--save DIR] [--save-adapter ADAPTER] [--dtype float64]
// batch.json: {"pairs": [{"prompt": [ids…], "chosen": […], "rejected": […], "margin": m}, …]} or
// {"solutions": [{"prompt": […], "steps": [[…], …], "labels": […]}, …]}. DIR is a reward model, or
// a causal language model, which gets a new head. Written: `loss`, `rewards` (chosen, rejected of
// each pair; or of each step), the loss's metrics and its gradient under each parameter's name;
// after N optimizer steps `rewards_after`, and the folders.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "posttrain/base/error_text.hpp"
#include "posttrain/hub/reward_model.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/losses/bradley_terry.hpp"
#include "posttrain/losses/step_reward.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora/files.hpp"
#include "posttrain/trainer/objective.hpp"

namespace {

using namespace posttrain;

struct Arguments {
  std::string model, batch, out, from, save, save_adapter, dtype = "float32";
  double center = 0.0;
  bool lora = false;
  int steps = 0;
};

RewardBatch read_pairs(const Json& json) {
  std::vector<AnswerPair> pairs;
  for (const Json& each : json) {
    AnswerPair pair;
    pair.prompt = each.at("prompt").get<TokenIds>();
    pair.chosen.ids = each.at("chosen").get<TokenIds>();
    pair.rejected.ids = each.at("rejected").get<TokenIds>();
    pair.margin = each.value("margin", 0.0F);
    pair.sample = static_cast<std::int64_t>(pairs.size());
    pairs.push_back(std::move(pair));
  }
  std::vector<const AnswerPair*> all;
  for (const AnswerPair& pair : pairs) all.push_back(&pair);
  return pack_reward_pairs(all);
}

StepRewardBatch read_solutions(const Json& json) {
  std::vector<SteppedSolution> solutions;
  for (const Json& each : json) {
    solutions.push_back({each.at("prompt").get<TokenIds>(),
                         each.at("steps").get<std::vector<TokenIds>>(),
                         each.at("labels").get<std::vector<float>>(), -1});
  }
  std::vector<const SteppedSolution*> all;
  for (const SteppedSolution& solution : solutions) all.push_back(&solution);
  return pack_steps(all);
}

template <class State, class Loss>
void run(const Arguments& arguments, const hub::RewardModel& model, State state, const Loss& loss,
         const typename Loss::Batch& batch) {
  const auto head = [&](const Tensor& rows) { return model.logits(state, rows); };
  const std::int64_t chunk = head_chunk_rows(model.vocab_size());
  const auto rewards = [&] {
    at::NoGradGuard no_grad;
    return score_predictions(head, model.hidden(state, batch), batch, loss.needs(), chunk)
        .mean_logit;
  };
  const auto add_gradients = [&](Objective<Loss>& objective) {
    return backward_through_head(head, model.hidden(state, batch), batch, objective, loss.needs(),
                                 1.0, chunk)
        .item()
        .toDouble();
  };
  Objective<Loss> objective(loss, {batch});
  std::vector<std::pair<std::string, Tensor>> tensors;
  tensors.emplace_back("loss", at::full({1}, add_gradients(objective), at::kDouble));
  tensors.emplace_back("rewards", rewards());
  for (const auto& [name, value] : objective.means().values()) {
    tensors.emplace_back(name, at::full({1}, value, at::kDouble));
  }
  for (const NamedTensor& gradient : state.gradients()) {
    tensors.emplace_back(gradient.name, gradient.value.clone());
  }
  auto optimizer = AdamW{}.attach(state.trainable());
  for (int step = 0; step < arguments.steps; ++step) {
    optimizer.step(state.trainable(), 1e-2, 1.0);
    state.publish();
    for (ParameterGroup& group : state.trainable()) group.grad.zero_();
    add_gradients(objective);
  }
  tensors.emplace_back("rewards_after", rewards());
  if (!arguments.save.empty()) model.save(arguments.save, state.weights());
  if constexpr (requires { save(state, "", ""); }) {
    if (!arguments.save_adapter.empty()) {
      save(state, arguments.save_adapter, arguments.model);
    }
  }
  io::save_tensors(arguments.out, tensors);
}

template <class Loss>
void run(const Arguments& arguments, const hub::RewardModel& model, const Loss& loss,
         const typename Loss::Batch& batch) {
  const auto with = [&](const auto& params) {
    params.validate();
    auto state = params.attach(model);
    model.check_all_loaded();
    run(arguments, model, std::move(state), loss, batch);
  };
  if (!arguments.from.empty()) return with(From<Lora>{.folder = arguments.from});
  if (arguments.lora) return with(Lora{.rank = 4, .modules_to_save = "score"});
  with(Full{});
}

void run(const Arguments& arguments) {
  const hub::RewardModel model(arguments.model,
                               {.dtype = arguments.dtype == "float64" ? at::kDouble : at::kFloat});
  const Json json = io::parse_json(io::read_text_file(arguments.batch), arguments.batch);
  if (json.contains("solutions")) {
    return run(arguments, model, StepReward{}, read_solutions(json.at("solutions")));
  }
  run(arguments, model, BradleyTerry{.center_rewards_coefficient = arguments.center},
      read_pairs(json.at("pairs")));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("A reward model on given pairs");
  Arguments arguments;
  app.add_option("--model", arguments.model)->required();
  app.add_option("--batch", arguments.batch)->required();
  app.add_option("--out", arguments.out)->required();
  app.add_option("--center", arguments.center);
  app.add_flag("--lora", arguments.lora);
  app.add_option("--from", arguments.from);
  app.add_option("--steps", arguments.steps);
  app.add_option("--save", arguments.save);
  app.add_option("--save-adapter", arguments.save_adapter);
  app.add_option("--dtype", arguments.dtype)->check(CLI::IsMember({"float32", "float64"}));
  CLI11_PARSE(app, argc, argv);
  try {
    run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", posttrain::error_text(error).c_str());
    return 1;
  }
  return 0;
}
