// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/pairs.hpp"

#include <cmath>

#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/loss_sum.hpp"
#include "posttrain/losses/on_side.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/osft.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "posttrain/params/qlora.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/params/with_moving_reference.hpp"
#include "posttrain/params/with_reference_scores.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/loss_curve.hpp"
#include "support/small_run.hpp"
#include "support/some_pairs.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// log-probabilities of both answers by an unshared forward pass, [pairs, 2].
template <class Gate>
Tensor answer_logps(const models::Decoder& model, const Gate& gate,
                    const std::vector<AnswerPair>& pairs) {
  at::NoGradGuard no_grad;
  std::vector<double> all;
  for (const AnswerPair& pair : pairs) {
    for (const Sequence* answer : {&pair.chosen, &pair.rejected}) {
      TokenIds ids = pair.prompt;
      ids.insert(ids.end(), answer->ids.begin(), answer->ids.end());
      std::vector<float> weights(pair.prompt.size(), 0.0F);
      weights.insert(weights.end(), answer->weights.begin(), answer->weights.end());
      const TokenBatch batch = batch_of({{ids, weights, 0}});
      const auto logits = [&](const Tensor& rows) { return model.logits(gate, rows); };
      const Scores scores = score_predictions(logits, model.hidden(gate, batch), batch, {}, 64);
      all.push_back(scores.logp.sum().template item<double>());
    }
  }
  return at::tensor(all, at::kDouble).view({-1, 2});
}

/// Pairs should be as far apart as their step's mean is: couples all pairs of a step.
struct Evenly {
  using Batch = PairBatch;
  static constexpr bool row_local = false;
  using Statistics = double;

  static Tensor differences(const Scores& scores, const PairBatch& batch) {
    const PairScores pairs = pair_scores(scores, batch);
    return pairs.chosen.logps - pairs.rejected.logps;
  }
  double count(const PairBatch& batch) const { return static_cast<double>(batch.items()); }
  double gather(const std::vector<Scored<PairBatch>>& scored) const {
    double sum = 0.0, pairs = 0.0;
    for (const Scored<PairBatch>& each : scored) {
      sum += differences(each.scores(), each.batch()).sum().item<double>();
      pairs += count(each.batch());
    }
    return sum / pairs;
  }
  Tensor sum(const Scores& scores, const PairBatch& batch, double mean) const {
    return (differences(scores, batch) - mean).square().sum();
  }
};
static_assert(LossPolicy<Evenly> && GathersStatistics<Evenly> && !GathersStatistics<Dpo>);

}  // namespace

TEST_CASE("a pair is a prompt with two answers, or two sequences", "[pairs][C17]") {
  const std::vector<AnswerPair> pairs = some_pairs(3);
  for (const bool share : {true, false}) {
    const PairBatch batch = packed(pairs, share);
    REQUIRE(batch.items() == 3);
    std::int64_t tokens = 0, predictions = 0;
    for (const AnswerPair& pair : pairs) {
      tokens += PairKind{.share_prompts = share}.tokens(pair);
      predictions += pair.chosen.ids.size() + pair.rejected.ids.size();
    }
    CHECK(batch.tokens() == tokens);
    CHECK(batch.predictions() == predictions);
    const Tensor length = sequence_sums(at::ones_like(batch.weight).to(at::kDouble), batch);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const auto at = static_cast<std::int64_t>(2 * i);
      CHECK(length[at].item<double>() == static_cast<double>(pairs[i].chosen.ids.size()));
      CHECK(length[at + 1].item<double>() == static_cast<double>(pairs[i].rejected.ids.size()));
    }
  }
}

TEST_CASE("log-probabilities of answers are those of whole sequences", "[pairs][C17]") {
  const models::Decoder model = tiny_model(), other = tiny_model(at::kDouble, 2);
  const FrozenState policy = Frozen{}.attach(model), reference = Frozen{}.attach(other);
  const std::vector<AnswerPair> pairs = some_pairs(4);
  const auto score = [&](const auto& m, const auto& gate, const PairBatch& batch) {
    at::NoGradGuard no_grad;
    const auto head = [&](const Tensor& rows) { return m.logits(gate, rows); };
    return score_predictions(head, m.hidden(gate, batch), batch, {}, 64);
  };
  for (const bool share : {true, false}) {
    PairBatch batch = packed(pairs, share);
    batch.ref_logps = score(other, reference, batch).logp;
    const PairScores scores = pair_scores(score(model, policy, batch), batch);
    const auto columns = [](const Tensor& w, const Tensor& l) {
      return at::stack({w, l}, 1).to(at::kCPU);
    };
    CHECK(relative_error(columns(scores.chosen.logps, scores.rejected.logps),
                         answer_logps(model, policy, pairs)) < 1e-12);
    CHECK(relative_error(columns(scores.chosen.ref_logps, scores.rejected.ref_logps),
                         answer_logps(other, reference, pairs)) < 1e-12);
  }
}

TEMPLATE_TEST_CASE("policy and reference are the same bits before the first step", "[pairs][C16]",
                   float, c10::BFloat16) {
  const models::Decoder model = tiny_model(c10::CppTypeToScalarType<TestType>::value);
  const auto check = [&](const auto& params) {
    INFO(describe(params));
    std::vector<StepMetrics> steps;
    Trainer trainer(model, Dpo{}, params, fixed_pairs(), AdamW{}, small_run(1, 6));
    trainer.add(StepCurve{steps});
    trainer.train();
    CHECK(std::abs(steps.at(0).loss - std::log(2.0)) < 1e-7);
    for (const char* name : {"rewards/chosen", "rewards/rejected", "rewards/margins"}) {
      CHECK(metric(steps.at(0), name) == 0.0);
    }
    CHECK(steps.at(0).grad_norm > 0.0);
  };
  check(WithFrozenReference{Full{}});
  check(Lora{.rank = 4});
  check(Osft{.unfreeze_rank_ratio = 0.5});
}

TEST_CASE("gradients of DPO are finite differences, for any split", "[pairs][C1]") {
  const models::Decoder model = tiny_model(), other = tiny_model(at::kDouble, 2);
  const FrozenState reference = Frozen{}.attach(other);
  FullState state = Full{}.attach(model);
  const auto with_reference = [&](PairBatch batch) {
    at::NoGradGuard no_grad;
    const auto head = [&](const Tensor& rows) { return other.logits(reference, rows); };
    batch.ref_logps = score_predictions(head, other.hidden(reference, batch), batch, {}, 64).logp;
    return batch;
  };
  const std::vector<AnswerPair> pairs = some_pairs(4);
  const auto loss = Dpo{.beta = 0.5} + 0.3 * OnChosen{NextToken{.label_smoothing = 0.1}} +
                    0.1 * OnRejected{NextToken{}};
  const auto run = [&](const std::vector<PairBatch>& batches) {
    zero_gradients(state);
    const Objective objective(loss, batches);
    const auto head = [&](const Tensor& rows) { return model.logits(state, rows); };
    double total = 0.0;
    for (const PairBatch& batch : batches) {
      total += backward_through_head(head, model.hidden(state, batch), batch, objective,
                                     loss.needs(), 1.0, 5)
                   .item()
                   .toDouble();
    }
    return total;
  };
  const std::vector<PairBatch> whole{with_reference(packed(pairs))};
  const double value = run(whole);
  const Tensor gradient = flat_gradient(state);

  std::vector<PairBatch> split;
  for (const AnswerPair& pair : pairs) split.push_back(with_reference(packed({pair}, false)));
  CHECK(std::abs(run(split) - value) < 1e-6);
  CHECK(relative_error(flat_gradient(state), gradient) < 1e-6);

  // Along the gradient the value changes by its square.
  const double square = gradient.square().sum().item<double>(), step = 1e-5 / std::sqrt(square);
  const auto moved = [&](double by) {
    run(whole);
    for (ParameterGroup& group : state.trainable()) group.master.add_(group.grad, by);
    state.publish();
    const double there = run(whole);
    run(whole);
    return there;
  };
  std::vector<Tensor> start;
  for (const ParameterGroup& group : state.trainable()) start.push_back(group.master.clone());
  const auto reset = [&] {
    for (std::size_t i = 0; i < start.size(); ++i) state.trainable()[i].master.copy_(start[i]);
    state.publish();
  };
  const double up = moved(step);
  reset();
  const double down = moved(-step);
  reset();
  CHECK(std::abs((up - down) / (2.0 * step * square) - 1.0) < 1e-4);
}

TEST_CASE("a loss that couples a step sees all its micro-batches", "[pairs][C1]") {
  const auto first_step = [](const auto& loss, std::int64_t max_tokens) {
    std::vector<StepMetrics> steps;
    Trainer trainer(tiny_model(), loss, WithFrozenReference{Full{}}, fixed_pairs(), AdamW{},
                    small_run(1, 6, max_tokens));
    trainer.add(StepCurve{steps});
    trainer.train();
    return steps.at(0);
  };
  const auto check = [&](const auto& loss) {
    const StepMetrics whole = first_step(loss, 1000), split = first_step(loss, 25);
    REQUIRE(whole.grad_accum == 1);
    REQUIRE(split.grad_accum > 2);
    CHECK(whole.loss > 0.1);
    CHECK(std::abs(split.loss - whole.loss) < 1e-6 * whole.loss);
    CHECK(std::abs(split.grad_norm - whole.grad_norm) < 1e-6 * whole.grad_norm);
  };
  check(Evenly{});
  check(Dpo{} + 0.5 * Evenly{});
}

TEST_CASE("a Trainer learns preferences on every selection", "[pairs][trainer]") {
  const models::Decoder model = tiny_model(at::kFloat);
  const auto check = [&](const auto& loss, const auto& params) {
    const Options options = small_run(15, 6, 40);
    std::vector<StepMetrics> steps;
    Trainer trainer(model, loss, params, fixed_pairs(), AdamW{}, options);
    trainer.add(StepCurve{steps});
    const TrainResult result = trainer.train();
    CHECK(steps.front().grad_accum > 1);
    CHECK(steps.back().loss < 0.8 * steps.front().loss);
    CHECK(metric(steps.back(), "rewards/accuracies") == 1.0);
    CHECK(metric(steps.back(), "rewards/margins") > 0.1);
    CHECK(std::isfinite(result.val_loss));
  };
  check(Dpo{}, WithFrozenReference{Full{}});
  check(Dpo{}, Lora{.rank = 8, .alpha = 16});
  check(Dpo{} + 0.1 * OnChosen{NextToken{}}, Osft{.unfreeze_rank_ratio = 0.5});
  check(Dpo{}, WithReferenceScores{Full{}});
  check(Dpo{}, WithMovingReference{Full{}, 0.6, 10});
}

TEST_CASE("shared prompts have the gradients of unshared ones", "[pairs]") {
  const models::Decoder model = tiny_model(at::kFloat);
  const auto gradient = [&](const auto& params, bool share) {
    Trainer trainer(model, Dpo{.beta = 1.0}, params, fixed_pairs(6, share), AdamW{},
                    small_run(1, 6));
    trainer.train();
    return flat_gradient(trainer.state());
  };
  const auto check = [&](const auto& params) {
    INFO(describe(params));
    const Tensor unshared = gradient(params, false);
    CHECK(unshared.abs().max().template item<double>() > 1e-4);
    CHECK(relative_error(gradient(params, true), unshared) < 1e-5);
  };
  check(WithFrozenReference{Full{}});
  check(Lora{.rank = 4});
  check(QLora{.rank = 4});
  check(Osft{.unfreeze_rank_ratio = 0.5});
  check(PromptTuning{.num_virtual_tokens = 3});
}
