// SPDX-License-Identifier: Apache-2.0
#include "posttrain/losses/distillation.hpp"

#include <cmath>
#include <vector>

#include "posttrain/concepts/check.hpp"
#include "posttrain/concepts/rollout.hpp"
#include "posttrain/losses/loss_sum.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/with_teacher.hpp"
#include "posttrain/rewards/unjudged.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/fixed_items.hpp"
#include "support/loss_curve.hpp"
#include "support/rollout_model.hpp"
#include "support/slope.hpp"
#include "support/small_run.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(check_loss<Distillation>() && !EstimatesAdvantages<Distillation>);
static_assert(check_loss<OnPolicyDistillation>() && EstimatesAdvantages<OnPolicyDistillation>);
static_assert(needs_teacher<OnPolicyDistillation>() &&
              needs_teacher<decltype(Distillation{} + 0.5 * NextToken{})>());

namespace {

models::Decoder teacher_of(at::ScalarType dtype, std::int64_t vocab) {
  models::DecoderConfig config = tiny_config();
  config.vocab_size = vocab;
  config.hidden_size = 32;
  return models::Decoder(config, {.dtype = dtype, .device = test_device(), .seed = 11});
}

/// The divergence of whole distributions at the batch's predictions, by plain operators.
template <class State, class Teacher>
Tensor divergence_of(const models::Decoder& model, const State& state, const Teacher& teacher,
                     const TokenBatch& batch, double beta, double temperature) {
  at::NoGradGuard no_grad;
  const auto gate = Frozen{}.attach(teacher);
  const auto logs = [&](const auto& of, const auto& under) {
    const Tensor rows = of.hidden(under, batch).index_select(0, batch.row);
    return (of.logits(under, rows) / temperature).to(at::kDouble).log_softmax(1);
  };
  const Tensor p = logs(model, state), q = logs(teacher, gate);
  const Tensor m = (beta * q.exp() + (1.0 - beta) * p.exp()).log();
  const auto relative = [](const Tensor& a, const Tensor& b) { return (a.exp() * (a - b)).sum(1); };
  if (beta == 0.0) return relative(q, p);
  if (beta == 1.0) return relative(p, q);
  return beta * relative(q, m) + (1.0 - beta) * relative(p, m);
}

}  // namespace

TEST_CASE("Distillation compares whole distributions, and has their gradient",
          "[losses][distillation]") {
  const models::Decoder model = tiny_model(at::kDouble), teacher = teacher_of(at::kDouble, 50);
  const std::vector<TokenBatch> batches{batch_of({some_sequence(7, 1), some_sequence(5, 2)}),
                                        batch_of({some_sequence(6, 3)})};
  const Options options;
  for (const double beta : {0.0, 0.5, 1.0}) {
    CAPTURE(beta);
    auto state = WithTeacher{Full{}, teacher}.attach(model);
    using State = decltype(state);
    const Distillation loss{.beta = beta};
    const Scorer<models::Decoder, State, Distillation> scorer(model, state, loss, options, 0);
    const Objective<Distillation> objective(loss, batches);
    const auto value = [&] {
      double sum = 0.0, count = 0.0;
      for (const TokenBatch& batch : batches) {
        sum += (divergence_of(model, state, teacher, batch, beta, 1.0) * batch.weight)
                   .sum()
                   .template item<double>();
        count += loss.count(batch);
      }
      return sum / count;
    };
    zero_gradients(state);
    double total = 0.0;
    for (const TokenBatch& batch : batches) {
      total += scorer.backward(batch, objective).template item<double>();
    }
    CHECK(total == Approx(value()).epsilon(1e-9));
    check_slope(state, value);
  }
}

TEST_CASE("A temperature divides the logits of both", "[losses][distillation][C19]") {
  const TalkingModel model(at::kDouble);
  const models::Decoder teacher = teacher_of(at::kDouble, 100);
  auto state = WithTeacher{Full{}, teacher}.attach(model);
  using State = decltype(state);
  const OnPolicyDistillation loss{.beta = 0.3};
  const Options options;
  Rollout rollout;
  RolloutSample sample;
  sample.ids = {5, 6, 7};
  sample.sampled = {1, 0, 1};
  rollout.groups.push_back({{1, 2}, 0, {sample}, {}});
  const Advantages advantages = loss.advantages(rollout);
  const std::vector<const RolloutGroup*> groups{&rollout.groups[0]};
  const std::vector<const std::vector<SampleAdvantage>*> of_groups{&advantages[0]};
  const RolloutBatch batch =
      pack_rollout(rollout_items(groups, of_groups, loss.rollout_needs()), 1.6);
  const Scorer<TalkingModel, State, OnPolicyDistillation> scorer(model, state, loss, options, 0);
  const Tensor found = scorer.scores_of(batch, loss.needs()).divergence;
  CHECK(found.size(0) == 2);
  CHECK(found.allclose(divergence_of(model, state, teacher, batch.to(test_device()), 0.3, 1.6),
                       1e-9, 1e-12));
}

TEST_CASE("A model comes nearer to its teacher on what it writes itself",
          "[losses][distillation][trainer]") {
  const TempFolder folder;
  const models::Decoder teacher = teacher_of(at::kFloat, 100);
  Rollouts<Unjudged> data{.path = folder.write("prompts.jsonl", counting_prompts(8))};
  data.sampling.max_new_tokens = 6;
  data.group_size = 2;
  Options options = small_run(30, 16, 200);
  options.lr_scheduler = {.type = optim::LrScheduler::constant};
  const auto run = [&](const auto& loss, const auto& params) {
    std::vector<StepMetrics> steps;
    // [snippet: trainer]
    Trainer trainer(TalkingModel(), loss, params, data, AdamW{}, options);
    // [/snippet]
    trainer.add(StepCurve{steps});
    trainer.train();
    REQUIRE(steps.size() == 30);
    CHECK(metric(steps.front(), "divergence") == Approx(steps.front().loss).epsilon(1e-5));
    return std::pair(steps.front().loss, steps.back().loss);
  };
  const auto [before, after] = run(OnPolicyDistillation{}, WithTeacher{Full{}, teacher});
  CAPTURE(before, after);
  CHECK(after < 0.6 * before);
  const auto [first, last] =
      run(OnPolicyDistillation{.beta = 0.5}, WithTeacher{Lora{.rank = 4}, teacher, Nf4{}});
  CAPTURE(first, last);
  CHECK(last < first);
}

TEST_CASE("Distillation on given answers, beside the answers themselves",
          "[losses][distillation][trainer]") {
  const models::Decoder teacher = teacher_of(at::kFloat, 50);
  std::vector<Sequence> sequences;
  for (std::uint64_t i = 1; i < 9; ++i) sequences.push_back(some_sequence(7, i));
  const FixedItems<SequenceKind> data{.train = sequences};
  std::vector<StepMetrics> steps;
  Trainer trainer(tiny_model(at::kFloat), Distillation{.beta = 0.0} + 0.1 * NextToken{},
                  WithTeacher{Full{}, teacher}, data, AdamW{}, small_run(12, 4));
  trainer.add(StepCurve{steps});
  trainer.train();
  CHECK(metric(steps.back(), "divergence") < metric(steps.front(), "divergence"));
  CHECK_THROWS_WITH((Distillation{.beta = 2.0}.validate()), Catch::Contains("beta must be in"));
  CHECK_THROWS_WITH((Distillation{.beta = 1.0} + Distillation{.beta = 0.0}).needs(),
                    Catch::Contains("one β of all divergences"));
}
