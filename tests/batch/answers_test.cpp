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
#include "support/fixed_items.hpp"
#include "support/loss_curve.hpp"
#include "support/small_run.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

FixedItems<AnswerKind> fixed_answers() {
  std::vector<Answer> validation = seven_answers();
  validation.resize(3);
  return {seven_answers(), validation};
}

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
    std::vector<StepMetrics> steps;
    Trainer trainer(model, loss, params, fixed_answers(), AdamW{}, small_run(12, 7, max_tokens));
    trainer.add(StepCurve{steps});
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
