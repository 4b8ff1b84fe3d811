// SPDX-License-Identifier: Apache-2.0
// Losses on policies with their advantages, metrics and gradients on recorded rollouts, for
// comparison with any other implementation:
//   probe_loss --model DIR --loss JSON --rollouts FILE --out out.safetensors
//     [--method full|lora|qlora|prompt|osft] [--from ADAPTER] [--ratio R] [--teacher DIR]
//     [--critic FILE] [--dtype float64] [--temperature 1] [--samples N]
// JSON: {"name": "Grpo", fields…} (tests/support/policy_loss_request.hpp), or a list of these, or
// @FILE with either. FILE: a line for each prompt, as in data/rollouts/rollout_lines.hpp.
// "weights" of a line, one for each score, are those of verifiers. All samples are one optimizer
// step, in micro-batches of N samples (all). Written: `loss`, `advantages` (of all ids, one sample
// after another), `returns` of a loss with a critic, `trained` (of samples), `metric.…`,
// `gradient.…`; of a list, each with the number of its loss before it ("0.loss"). The reference's
// log-probabilities are those of the file; distillation needs a teacher's folder, PPO a critic's
// file (save_critic). `osft` starts from random cores: programs/policies.hpp.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "posttrain/base/error_text.hpp"
#include "posttrain/data/rollouts/rollout_lines.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora/files.hpp"
#include "posttrain/params/prompt/files.hpp"
#include "posttrain/params/with_critic.hpp"
#include "posttrain/params/with_teacher.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer/objective.hpp"
#include "programs/policies.hpp"
#include "support/policy_loss_request.hpp"

namespace {

using namespace posttrain;
using test::NamedTensors;

struct Arguments {
  std::string model, method = "full", from, teacher, critic, loss, rollouts, out, dtype = "float64";
  double ratio = 0.5, temperature = 1.0;
  std::int64_t samples = 0;
};

Rollout read_rollout(const Arguments& arguments) {
  Rollout rollout;
  rollout.temperature = arguments.temperature;
  const std::string text = io::read_text_file(arguments.rollouts);
  std::size_t begin = 0, number = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.empty()) continue;
    const std::string where = fmt::format("{}:{}", arguments.rollouts, number);
    Json json = io::parse_json(line, where);
    if (json.contains("weights")) {
      rollout.verifier_weights = json["weights"].get<std::vector<double>>();
      rollout.verifiers.resize(rollout.verifier_weights.size());
      json.erase("weights");
    }
    rollout.groups.push_back(data::rollout_group_from(json, where));
  }
  return rollout;
}

/// The model under its parameters, whatever they are, with the critic or the teacher beside it.
struct Policy {
  std::function<RolloutBatch(const RolloutBatch&)> prepare;
  std::function<Tensor(const TokenBatch&)> hidden;
  ScoringHead head;
  std::function<void()> zero_gradients;
  std::function<NamedTensors()> gradients;
};

template <class Loss>
NamedTensors probe(const Loss& loss, const Rollout& rollout, const Policy& policy,
                   const Arguments& arguments) {
  const Need need = needs_of(loss);
  if (need.divergence && !policy.head.teacher) raise("expected --teacher for distillation");
  if (need.value && !policy.head.values) raise("expected --critic for PPO");
  const Advantages advantages = loss.advantages(rollout);
  std::vector<const RolloutGroup*> groups;
  std::vector<const std::vector<SampleAdvantage>*> of_groups;
  std::vector<float> of_ids, returns, trained;
  for (std::size_t g = 0; g < rollout.groups.size(); ++g) {
    groups.push_back(&rollout.groups[g]);
    of_groups.push_back(&advantages[g]);
    for (const SampleAdvantage& sample : advantages[g]) {
      of_ids.insert(of_ids.end(), sample.advantage.begin(), sample.advantage.end());
      returns.insert(returns.end(), sample.returns.begin(), sample.returns.end());
      trained.push_back(sample.trained ? 1.0F : 0.0F);
    }
  }
  const std::vector<RolloutItem> items = rollout_items(groups, of_groups, loss.rollout_needs());
  const std::size_t size = arguments.samples > 0 ? static_cast<std::size_t>(arguments.samples)
                                                 : std::max<std::size_t>(items.size(), 1);
  std::vector<RolloutBatch> batches;
  for (std::size_t begin = 0; begin < items.size(); begin += size) {
    const auto some = std::span(items).subspan(begin, std::min(size, items.size() - begin));
    batches.push_back(policy.prepare(pack_rollout(some, rollout.temperature)));
    if (needs_reference<Loss>() && !batches.back().ref_logps.defined()) {
      raise("{}: expected \"ref_logps\" of each sample for a loss with KL, got none",
            arguments.rollouts);
    }
  }

  policy.zero_gradients();
  Objective<Loss> objective(loss, batches);
  std::vector<Scored<RolloutBatch>> scored;
  for (const RolloutBatch& batch : batches) {
    scored.emplace_back(
        batch,
        [&] {
          at::NoGradGuard no_grad;
          return score_predictions(policy.head, policy.hidden(batch), batch, need, 1024);
        },
        nullptr, nullptr);
  }
  if constexpr (Objective<Loss>::gathers) objective.gather(scored);
  double value = 0.0;
  for (const RolloutBatch& batch : batches) {
    value +=
        backward_through_head(policy.head, policy.hidden(batch), batch, objective, need, 1.0, 1024)
            .item()
            .toDouble();
  }
  NamedTensors tensors{{"loss", at::full({1}, value, at::kDouble)},
                       {"advantages", at::tensor(of_ids, at::kFloat)},
                       {"trained", at::tensor(trained, at::kFloat)}};
  if (!returns.empty()) tensors.emplace_back("returns", at::tensor(returns, at::kFloat));
  for (const auto& [name, mean] : objective.means().values()) {
    tensors.emplace_back("metric." + name, at::full({1}, mean, at::kDouble));
  }
  for (auto& [name, gradient] : policy.gradients()) {
    tensors.emplace_back("gradient." + name, std::move(gradient));
  }
  return tensors;
}

/// As the trainer's scorer puts it together (trainer/scorer.hpp): a teacher's rows stand behind the
/// model's own, and the temperature divides the logits of both.
template <class State>
Policy policy_of(const models::Decoder& model, State& state, double temperature) {
  const std::int64_t own = model.config().hidden_size;
  const auto own_rows = [own](const Tensor& rows) { return rows.narrow(1, 0, own).contiguous(); };
  Policy policy{[&](const RolloutBatch& batch) { return prepared(state, batch); },
                [&](const TokenBatch& batch) { return model.hidden(state, batch); },
                [&model, &state, own_rows, temperature](const Tensor& rows) {
                  return model.logits(state, own_rows(rows)) / temperature;
                },
                [&] {
                  for (ParameterGroup& group : state.trainable()) group.grad.zero_();
                },
                [&] { return test::gradients_of(state); }};
  if constexpr (EstimatesValues<State>) {
    policy.head.values = [&state, own_rows](const Tensor& rows) {
      return state.critic_values(own_rows(rows));
    };
  }
  if constexpr (HasTeacher<State>) {
    policy.hidden = [&](const TokenBatch& batch) {
      return beside({model.hidden(state, batch), state.teacher_hidden(batch)});
    };
    policy.head.teacher = [&state, own, temperature](const Tensor& rows) {
      const Tensor behind = rows.narrow(1, own, rows.size(1) - own).contiguous();
      return state.teacher_logits(behind) / temperature;
    };
  }
  return policy;
}

template <class State>
void run(const models::Decoder& model, State state, const Arguments& arguments) {
  NamedTensors tensors = test::randomize_cores(state);
  const Policy policy = policy_of(model, state, arguments.temperature);
  const Rollout rollout = read_rollout(arguments);
  const bool in_file = arguments.loss.starts_with("@");
  const std::string text = in_file ? io::read_text_file(arguments.loss.substr(1)) : arguments.loss;
  const Json json = io::parse_json(text, "--loss");
  const auto add = [&](const Json& request, const std::string& prefix) {
    test::with_policy_loss(request, [&](const auto& loss) {
      for (auto& [name, tensor] : probe(loss, rollout, policy, arguments)) {
        tensors.emplace_back(prefix + name, std::move(tensor));
      }
    });
  };
  if (json.is_array()) {
    for (std::size_t i = 0; i < json.size(); ++i) add(json[i], fmt::format("{}.", i));
  } else {
    add(json, "");
  }
  io::save_tensors(arguments.out, tensors);
}

template <class Params>
void run_params(const models::Decoder& model, const Params& params, const Arguments& arguments) {
  if (!arguments.teacher.empty()) {
    if constexpr (HasVirtualTokens<StateOf<Params, models::Decoder>>) {
      raise("expected parameters without virtual tokens beside a teacher");
    } else {
      const hub::PretrainedDecoder other(arguments.teacher, {.dtype = model.dtype()});
      const models::Decoder& teacher = other;
      run(model, WithTeacher{params, teacher}.attach(model), arguments);
    }
  } else if (!arguments.critic.empty()) {
    run(model, WithCritic{params, arguments.critic}.attach(model), arguments);
  } else {
    run(model, params.attach(model), arguments);
  }
}

void run(const Arguments& arguments) {
  const hub::PretrainedDecoder pretrained(
      arguments.model, {.dtype = arguments.dtype == "float64" ? at::kDouble : at::kFloat});
  const models::Decoder& model = pretrained;
  const std::string& method = arguments.method;
  if (method == "full") {
    run_params(model, Full{}, arguments);
  } else if (method == "lora") {
    run_params(model, From<Lora>{.folder = arguments.from}, arguments);
  } else if (method == "qlora") {
    run_params(model, From<BasicLora<Nf4>>{.folder = arguments.from}, arguments);
  } else if (method == "prompt") {
    run_params(model, From<PromptTuning>{arguments.from}, arguments);
  } else {
    run_params(model, Osft{.unfreeze_rank_ratio = arguments.ratio}, arguments);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Losses on policies with their gradients on recorded rollouts");
  Arguments arguments;
  app.add_option("--model", arguments.model, "checkpoint folder")->required();
  app.add_option("--method", arguments.method, "what trains")
      ->check(CLI::IsMember({"full", "lora", "qlora", "prompt", "osft"}));
  app.add_option("--from", arguments.from, "PEFT's folder, of lora, qlora and prompt");
  app.add_option("--ratio", arguments.ratio, "of osft: the share of directions that train");
  app.add_option("--teacher", arguments.teacher, "its checkpoint folder");
  app.add_option("--critic", arguments.critic, "its head's file");
  app.add_option("--loss", arguments.loss, "JSON, or @FILE")->required();
  app.add_option("--rollouts", arguments.rollouts, "JSONL")->required();
  app.add_option("--out", arguments.out, "safetensors file to write")->required();
  app.add_option("--dtype", arguments.dtype, "of computation")
      ->check(CLI::IsMember({"float32", "float64"}));
  app.add_option("--temperature", arguments.temperature, "of the distribution that is trained on");
  app.add_option("--samples", arguments.samples, "samples of a micro-batch; 0: all");
  CLI11_PARSE(app, argc, argv);
  try {
    run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", posttrain::error_text(error).c_str());
    return 1;
  }
  return 0;
}
