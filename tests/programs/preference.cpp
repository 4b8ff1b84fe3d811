// SPDX-License-Identifier: Apache-2.0
// Every loss on pairs or on judged answers, with its metrics and gradients, for comparison with
// TRL:
//   preference --model DIR --batch batch.json --out out.safetensors [--reference DIR]
//     [--method full|lora|qlora|prompt|osft] [--from ADAPTER] [--ratio R]
// batch.json: {"prompts": [[ids…], …], "chosen": …, "rejected": …}, or {"prompts": …, "answers": …,
// "labels": [true, …], "mismatched": [[ids…], …]}. Computes in float64; `full` needs the
// reference's folder, the others have their base. Written for each loss NAME: `NAME.loss`,
// `NAME.metric.…`, `NAME.gradient.…`. `osft` starts from random cores: the weights that they make
// are written as `policy.…`, and the gradient of a core C as that of its matrix, U ∂C Vᵀ.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "posttrain/base/error_text.hpp"
#include "posttrain/batch/answers.hpp"
#include "posttrain/batch/virtual_tokens.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/io/tensor_io.hpp"
#include "posttrain/losses/aot_pair.hpp"
#include "posttrain/losses/aot_unpaired.hpp"
#include "posttrain/losses/apo_down.hpp"
#include "posttrain/losses/apo_zero.hpp"
#include "posttrain/losses/apo_zero_unpaired.hpp"
#include "posttrain/losses/bco_pair.hpp"
#include "posttrain/losses/cpo.hpp"
#include "posttrain/losses/discopop.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/exo_pair.hpp"
#include "posttrain/losses/hinge.hpp"
#include "posttrain/losses/ipo.hpp"
#include "posttrain/losses/kto.hpp"
#include "posttrain/losses/length_desensitized.hpp"
#include "posttrain/losses/loss_sum.hpp"
#include "posttrain/losses/nca_pair.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/losses/on_side.hpp"
#include "posttrain/losses/orpo.hpp"
#include "posttrain/losses/robust_dpo.hpp"
#include "posttrain/losses/sigmoid_norm.hpp"
#include "posttrain/losses/simpo.hpp"
#include "posttrain/losses/sppo_hard.hpp"
#include "posttrain/losses/wpo.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora/files.hpp"
#include "posttrain/params/prompt/files.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer/objective.hpp"
#include "programs/policies.hpp"

namespace {

using namespace posttrain;
using test::gradients_of;
using test::NamedTensors;
using test::randomize_cores;

Sequence answer(const Json& ids) {
  const auto tokens = ids.get<TokenIds>();
  return {tokens, std::vector<float>(tokens.size(), 1.0F), -1};
}

PairBatch read_pairs(const Json& json) {
  std::vector<AnswerPair> pairs;
  for (std::size_t i = 0; i < json.at("prompts").size(); ++i) {
    pairs.push_back({json["prompts"][i].get<TokenIds>(), answer(json.at("chosen").at(i)),
                     answer(json.at("rejected").at(i)), 0.0F, static_cast<std::int64_t>(i)});
  }
  std::vector<const AnswerPair*> all;
  for (const AnswerPair& pair : pairs) all.push_back(&pair);
  return pack_pairs(all);
}

AnswerBatch read_answers(const Json& json) {
  std::vector<Answer> answers;
  std::vector<Sequence> others;
  for (std::size_t i = 0; i < json.at("prompts").size(); ++i) {
    answers.push_back({json["prompts"][i].get<TokenIds>(), answer(json.at("answers").at(i)),
                       json.at("labels").at(i).get<bool>(), static_cast<std::int64_t>(i)});
    others.push_back(answer(json.at("mismatched").at(i)));
  }
  std::vector<MatchedAnswer> all;
  for (std::size_t i = 0; i < answers.size(); ++i) all.push_back({&answers[i], &others[i]});
  return pack_answers(all);
}

/// A policy and its reference on one batch.
template <class State, class Reference, class Batch>
class Probe {
 public:
  Probe(const models::Decoder& model, State& state, const models::Decoder& reference_model,
        const Reference& reference, const Batch& batch)
      : model_(model), state_(state), reference_model_(reference_model), reference_(reference) {
    batch_ = prepared(state, batch);
    batch_.ref_logps = reference_logps(batch);
  }

  template <class Loss>
  void add(const std::string& name, const Loss& loss) {
    for (ParameterGroup& group : state_.trainable()) group.grad.zero_();
    Objective<Loss> objective(loss, {batch_});
    if constexpr (Objective<Loss>::gathers) {
      std::vector<Scored<Batch>> scored;
      scored.emplace_back(
          batch_, [&] { return scores(batch_, needs_of(loss)); },
          [&](const TokenBatch& other) { return scores(prepared(state_, other), {}); },
          [&](const TokenBatch& other) { return reference_logps(other); });
      objective.gather(scored);
    }
    const double value = backward_through_head(head(model_, state_), model_.hidden(state_, batch_),
                                               batch_, objective, needs_of(loss), 1.0, 1024)
                             .item()
                             .toDouble();
    const auto put = [&](const std::string& what, double number) {
      tensors.emplace_back(name + "." + what, at::full({1}, number, at::kDouble));
    };
    put("loss", value);
    for (const auto& [metric, mean] : objective.means().values()) put("metric." + metric, mean);
    for (auto& [parameter, gradient] : gradients_of(state_)) {
      tensors.emplace_back(name + ".gradient." + parameter, std::move(gradient));
    }
  }

  NamedTensors tensors{};

 private:
  template <class Gate>
  static ScoringHead::Function head(const models::Decoder& model, const Gate& gate) {
    return [&](const Tensor& rows) { return model.logits(gate, rows); };
  }
  template <class AnyBatch>
  Scores scores(const AnyBatch& batch, Need need) const {
    at::NoGradGuard no_grad;
    return score_predictions(head(model_, state_), model_.hidden(state_, batch), batch, need, 1024);
  }
  template <class AnyBatch>
  Tensor reference_logps(const AnyBatch& batch) const {
    at::NoGradGuard no_grad;
    return score_predictions(head(reference_model_, reference_),
                             reference_model_.hidden(reference_, batch), batch, {}, 1024)
        .logp;
  }

  const models::Decoder& model_;
  State& state_;
  const models::Decoder& reference_model_;
  const Reference& reference_;
  Batch batch_;
};

constexpr double kBeta = 0.3, kSmoothing = 0.1;

template <class P>
void add_pair_losses(P& probe) {
  const Dpo dpo{.beta = kBeta};
  probe.add("sigmoid", dpo);
  probe.add("hinge", Hinge{.beta = kBeta});
  probe.add("ipo", Ipo{.beta = kBeta});
  probe.add("exo_pair", ExoPair{.beta = kBeta, .label_smoothing = kSmoothing});
  probe.add("nca_pair", NcaPair{.beta = kBeta});
  probe.add("robust", RobustDpo{.beta = kBeta, .label_smoothing = kSmoothing});
  probe.add("bco_pair", BcoPair{.beta = kBeta});
  probe.add("sppo_hard", SppoHard{.beta = kBeta});
  probe.add("aot", AotPair{.beta = kBeta, .label_smoothing = kSmoothing});
  probe.add("aot_unpaired", AotUnpaired{.beta = kBeta, .label_smoothing = kSmoothing});
  probe.add("apo_zero", ApoZero{.beta = kBeta});
  probe.add("apo_down", ApoDown{.beta = kBeta});
  probe.add("discopop", Discopop{.beta = kBeta, .tau = 0.5});
  probe.add("sigmoid_norm", SigmoidNorm{.beta = kBeta});
  probe.add("rpo", dpo + 0.7 * OnChosen{NextToken{}});
  probe.add("mpo", 0.8 * dpo + 0.2 * BcoPair{.beta = kBeta} + 1.0 * OnChosen{NextToken{}});
  probe.add("wpo", Wpo{dpo});
  probe.add("ld", LengthDesensitized{dpo, 0.4});
  probe.add("ld_ipo", LengthDesensitized{Ipo{.beta = kBeta}, 0.4});
  const auto with = [&](const std::string& name, FDivergence type) {
    const Divergence divergence{type, 0.4};
    probe.add("sigmoid." + name, Dpo{.beta = kBeta, .divergence = divergence});
    probe.add("ipo." + name, Ipo{.beta = kBeta, .divergence = divergence});
  };
  with("forward_kl", FDivergence::forward_kl);
  with("js_divergence", FDivergence::js_divergence);
  with("alpha_divergence", FDivergence::alpha_divergence);
  probe.add("cpo", Cpo{.beta = kBeta, .label_smoothing = kSmoothing} + 0.7 * OnChosen{NextToken{}});
  probe.add("simpo", SimPo{.beta = kBeta, .gamma = 0.2, .label_smoothing = kSmoothing});
  probe.add("orpo", Orpo{.beta = kBeta});
}

template <class P>
void add_answer_losses(P& probe) {
  probe.add("kto", Kto{.beta = kBeta, .desirable_weight = 1.2, .undesirable_weight = 0.9});
  probe.add("apo_zero_unpaired",
            ApoZeroUnpaired{.beta = kBeta, .desirable_weight = 1.2, .undesirable_weight = 0.9});
}

struct Arguments {
  std::string model, reference, batch, out, method = "full", from;
  double ratio = 0.5;
};

template <class State, class Reference>
void run(const Arguments& arguments, const models::Decoder& model, State state,
         const models::Decoder& reference_model, const Reference& reference,
         const NamedTensors& also = {}) {
  const Json json = io::parse_json(io::read_text_file(arguments.batch), arguments.batch);
  if (json.contains("chosen")) {
    Probe probe(model, state, reference_model, reference, read_pairs(json));
    add_pair_losses(probe);
    probe.tensors.insert(probe.tensors.end(), also.begin(), also.end());
    io::save_tensors(arguments.out, probe.tensors);
  } else {
    Probe probe(model, state, reference_model, reference, read_answers(json));
    add_answer_losses(probe);
    probe.tensors.insert(probe.tensors.end(), also.begin(), also.end());
    io::save_tensors(arguments.out, probe.tensors);
  }
}

void run(const Arguments& arguments) {
  const hub::PretrainedDecoder model(arguments.model, {.dtype = at::kDouble});
  if (arguments.method == "full") {
    const hub::PretrainedDecoder other(arguments.reference, {.dtype = at::kDouble});
    run(arguments, model, Full{}.attach(model), other, Frozen{}.attach(other));
    return;
  }
  if (arguments.method == "qlora") {
    run(arguments, model, From<BasicLora<Nf4>>{.folder = arguments.from}.attach(model), model,
        BasicFrozen<Nf4>{}.attach(model));
    return;
  }
  const FrozenState base = Frozen{}.attach(model);
  if (arguments.method == "osft") {
    OsftState<Dense> state = Osft{.unfreeze_rank_ratio = arguments.ratio}.attach(model);
    const NamedTensors policy = randomize_cores(state);
    run(arguments, model, std::move(state), model, base, policy);
    return;
  }
  if (arguments.method == "lora") {
    run(arguments, model, From<Lora>{.folder = arguments.from}.attach(model), model, base);
  } else {
    run(arguments, model, From<PromptTuning>{arguments.from}.attach(model), model, base);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Losses on preferences, for comparison with TRL");
  Arguments arguments;
  app.add_option("--model", arguments.model)->required();
  app.add_option("--reference", arguments.reference);
  app.add_option("--batch", arguments.batch)->required();
  app.add_option("--out", arguments.out)->required();
  app.add_option("--method", arguments.method)
      ->check(CLI::IsMember({"full", "lora", "qlora", "prompt", "osft"}));
  app.add_option("--from", arguments.from);
  app.add_option("--ratio", arguments.ratio);
  CLI11_PARSE(app, argc, argv);
  try {
    run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", posttrain::error_text(error).c_str());
    return 1;
  }
  return 0;
}
