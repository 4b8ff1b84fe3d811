// SPDX-License-Identifier: Apache-2.0
#include "posttrain/batch/answers.hpp"

#include <cmath>

#include "posttrain/losses/bco.hpp"
#include "posttrain/losses/kto.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/trainer.hpp"
#include "support/answer_loss_check.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

/// The same answers in every epoch.
struct FixedAnswers {
  AnswerKind kind() const { return {}; }
  data::LoadedItems<Answer> load(const data::LoadContext&) const {
    data::LoadedItems<Answer> loaded;
    loaded.train = seven_answers();
    loaded.validation = seven_answers();
    loaded.validation.resize(3);
    return loaded;
  }
};

struct Steps {
  std::vector<StepMetrics>* values;
  void on(const event::AfterStep& event) { values->push_back(event.metrics); }
};

}  // namespace

TEST_CASE("answers share prompts and meet answers to other prompts", "[answers]") {
  const std::vector<Answer> answers = seven_answers();
  const std::vector<AnswerBatch> shared = answer_batches({{0, 1, 2, 3, 4, 5, 6}});
  REQUIRE(shared.size() == 1);
  std::int64_t tokens = 0;
  for (const Answer& answer : answers) tokens += AnswerKind::tokens(answer);
  CHECK(shared[0].items() == 7);
  CHECK(shared[0].tokens() == tokens - 2 * 3);  // two prompts have two answers
  CHECK(answer_batches({{0, 1, 2, 3, 4, 5, 6}}, false)[0].tokens() == tokens);
  CHECK(shared[0].samples == std::vector<std::int64_t>{0, 3, 1, 4, 2, 5, 6});
  CHECK(shared[0].desirable.sum().item<std::int64_t>() == 5);
  CHECK(shared[0].mismatched.predictions() == shared[0].predictions());

  // The nearest before it to another prompt, whatever the order of the step.
  CHECK(mismatched({&answers[0], &answers[1], &answers[2]}) ==
        std::vector<const Answer*>{&answers[2], &answers[0], &answers[1]});
  CHECK(mismatched({&answers[3], &answers[0], &answers[2]}) ==
        std::vector<const Answer*>{&answers[2], &answers[2], &answers[0]});
  CHECK(mismatched({&answers[0], &answers[3]}) ==
        std::vector<const Answer*>{&answers[3], &answers[0]});
  CHECK(mismatched({&answers[5]}) == std::vector<const Answer*>{&answers[5]});
}

TEST_CASE("a Trainer learns verdicts", "[answers][trainer][C16]") {
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
