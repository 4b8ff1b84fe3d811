// SPDX-License-Identifier: Apache-2.0
// Losses on single judged answers against their formulas; how answers are packed and mismatched.
#include <cmath>

#include "posttrain/base/describe.hpp"
#include "posttrain/data/pipeline/answer_stream.hpp"
#include "posttrain/losses/apo_zero_unpaired.hpp"
#include "posttrain/losses/bco.hpp"
#include "posttrain/losses/kto.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/trainer.hpp"
#include "support/catch.hpp"
#include "support/score_tables.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

constexpr double kBeta = 0.3;

/// Answers 0 and 3 are to one prompt, as are 1 and 4; the others stand alone.
std::vector<Answer> some_answers(std::int64_t count = 7) {
  std::vector<Answer> answers;
  for (std::int64_t i = 0; i < count; ++i) {
    Answer answer;
    answer.prompt = some_ids(3, static_cast<std::uint64_t>(i < 5 ? i % 3 + 1 : i + 1));
    answer.answer.ids = some_ids(2 + i * 7 % 5, static_cast<std::uint64_t>(100 + i));
    answer.answer.weights.assign(answer.answer.ids.size(), 1.0F);
    answer.desirable = i % 3 != 1;
    answer.sample = i;
    answers.push_back(std::move(answer));
  }
  return answers;
}

std::vector<AnswerBatch> batches(const data::Packs& packs, bool share = true) {
  return data::AnswerItems{share}.batches(packs, some_answers());
}

/// Log-ratios of the answers, and of prompts with the answers before.
struct Ratios {
  std::vector<double> own, other;
  std::vector<bool> desirable;
};

Ratios ratios(const ScoreTables& tables) {
  const std::vector<Answer> answers = some_answers();
  const auto ratio = [&](const Answer& answer) {
    double sum = 0.0;
    for (const TokenId id : answer.answer.ids) {
      sum += tables.policy[id].item<double>() - tables.reference[id].item<double>();
    }
    return sum;
  };
  Ratios all;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    all.own.push_back(ratio(answers[i]));
    all.other.push_back(ratio(answers[(i + answers.size() - 1) % answers.size()]));
    all.desirable.push_back(answers[i].desirable);
  }
  return all;
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

template <class Loss, class Formula>
void check(const Loss& loss, const Formula& formula) {
  INFO(describe(loss));
  loss.validate();
  const ScoreTables tables = ScoreTables::some();
  const Ratios now = ratios(tables);
  const LossAndGradient whole = step_on(loss, tables, batches({{0, 1, 2, 3, 4, 5, 6}}));
  const double expected = formula(now, now);
  CHECK(std::abs(whole.loss - expected) < 1e-10);
  const Tensor slopes =
      differences(tables, [&](const ScoreTables& there) { return formula(ratios(there), now); });
  CHECK((whole.gradient - slopes).abs().max().item<double>() <
        1e-6 * slopes.abs().max().item<double>());
  for (const bool share : {true, false}) {
    const LossAndGradient split =
        step_on(loss, tables, batches({{5, 0}, {3, 4, 1}, {6, 2}}, share));
    CHECK(std::abs(split.loss - whole.loss) < 1e-12);
    CHECK((split.gradient - whole.gradient).abs().max().item<double>() < 1e-12);
    CHECK(split.metrics.size() == whole.metrics.size());
  }
}

/// The mean over answers of a formula of (log-ratio, desirable).
template <class Formula>
double mean_over(const Ratios& ratios, const Formula& formula) {
  double sum = 0.0;
  for (std::size_t i = 0; i < ratios.own.size(); ++i) {
    sum += formula(ratios.own[i], ratios.desirable[i]);
  }
  return sum / static_cast<double>(ratios.own.size());
}

/// The same answers in every epoch.
struct FixedAnswers {
  using Batch = AnswerBatch;
  data::AnswerStream<> open(const data::LoadContext& context, std::int64_t batch) const {
    data::LoadedAnswers loaded;
    loaded.train = some_answers();
    loaded.validation = some_answers(3);
    return {std::move(loaded), context, batch, 50};
  }
};

struct Steps {
  std::vector<StepMetrics>* values;
  void on(const event::AfterStep& event) { values->push_back(event.metrics); }
};

}  // namespace

TEST_CASE("losses on judged answers are their formulas", "[losses][judged][C1]") {
  check(Kto{.beta = kBeta, .desirable_weight = 1.3, .undesirable_weight = 0.8},
        [](const Ratios& now, const Ratios& held) {
          double kl = 0.0;
          for (const double r : held.other) kl += r / static_cast<double>(held.other.size());
          kl = std::max(0.0, kl);
          return mean_over(now, [&](double r, bool good) {
            return good ? 1.3 * (1.0 - sigmoid(kBeta * (r - kl)))
                        : 0.8 * (1.0 - sigmoid(kBeta * (kl - r)));
          });
        });
  check(ApoZeroUnpaired{.beta = kBeta, .undesirable_weight = 0.7},
        [](const Ratios& now, const Ratios&) {
          return mean_over(now, [](double r, bool good) {
            return good ? 1.0 - sigmoid(kBeta * r) : 0.7 * sigmoid(kBeta * r);
          });
        });
  check(Bco{.beta = kBeta}, [](const Ratios& now, const Ratios& held) {
    double sums[2] = {}, counts[2] = {};
    for (std::size_t i = 0; i < held.own.size(); ++i) {
      sums[held.desirable[i]] += kBeta * held.own[i];
      counts[held.desirable[i]] += 1.0;
    }
    const double shift = 0.5 * (sums[0] / counts[0] + sums[1] / counts[1]);
    return mean_over(now, [&](double r, bool good) {
      return -std::log(sigmoid(good ? kBeta * r - shift : shift - kBeta * r));
    });
  });
}

TEST_CASE("KTO's estimate is above 0 where its test needs it", "[losses][judged]") {
  const Ratios now = ratios(ScoreTables::some());
  double kl = 0.0;
  for (const double r : now.other) kl += r;
  CHECK(kl > 0.1);
}

TEST_CASE("answers share prompts and meet answers to other prompts", "[losses][judged]") {
  const std::vector<Answer> answers = some_answers();
  const std::vector<AnswerBatch> shared = batches({{0, 1, 2, 3, 4, 5, 6}});
  REQUIRE(shared.size() == 1);
  std::int64_t tokens = 0;
  for (const Answer& answer : answers) tokens += answer.tokens();
  CHECK(shared[0].items() == 7);
  CHECK(shared[0].tokens() == tokens - 2 * 3);  // two prompts have two answers
  CHECK(batches({{0, 1, 2, 3, 4, 5, 6}}, false)[0].tokens() == tokens);
  CHECK(shared[0].samples == std::vector<std::int64_t>{0, 3, 1, 4, 2, 5, 6});
  CHECK(shared[0].desirable.sum().item<std::int64_t>() == 5);
  CHECK(shared[0].mismatched.predictions() == shared[0].predictions());

  // The nearest before it to another prompt, whatever the order of the step.
  CHECK(data::mismatched(answers, {0, 1, 2}) == std::vector<std::int64_t>{2, 0, 1});
  CHECK(data::mismatched(answers, {3, 0, 2}) == std::vector<std::int64_t>{2, 2, 0});
  CHECK(data::mismatched(answers, {0, 3}) == std::vector<std::int64_t>{3, 0});
  CHECK(data::mismatched(answers, {5}) == std::vector<std::int64_t>{5});
}

TEST_CASE("a Trainer learns verdicts", "[losses][judged][trainer][C16]") {
  const models::Decoder model = tiny_model(at::kFloat);
  const auto run = [&](const auto& loss, const auto& params, std::int64_t max_tokens) {
    Options options;
    options.effective_batch_size = 7;
    options.max_tokens_per_batch = max_tokens;
    options.learning_rate = 1e-2;
    options.max_steps = 12;
    options.progress = false;
    std::vector<StepMetrics> steps;
    Trainer trainer(model, loss, params, FixedAnswers{}, AdamW{}, options);
    trainer.add(Steps{&steps});
    CHECK(std::isfinite(trainer.train().val_loss));
    return steps;
  };
  // At the start policy and reference agree, and so KL is 0 and every answer costs 1/2.
  const auto steps = run(Kto{}, WithFrozenReference{Full{}}, 30);
  CHECK(steps.front().grad_accum > 1);
  CHECK(std::abs(steps.front().loss - 0.5) < 1e-7);
  CHECK(steps.back().loss < 0.48);
  const auto whole = run(Kto{}, WithFrozenReference{Full{}}, 1000);
  CHECK(whole.front().grad_accum == 1);
  CHECK(std::abs(whole.back().loss - steps.back().loss) < 1e-4);
  CHECK(run(Bco{}, Lora{.rank = 8, .alpha = 16}, 1000).back().loss < 0.68);
}
