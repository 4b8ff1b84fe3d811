// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/evaluation.hpp"

#include "posttrain/trainer/scorer.hpp"
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("an evaluation is the sum over all micro-batches by their count, however they are split",
          "[trainer][C1]") {
  const models::Decoder model = tiny_model();
  const FullState state = Full{}.attach(model);
  const NextToken loss;
  Options options;
  options.neftune_noise_alpha = 5.0;  // training's alone
  const Scorer<models::Decoder, const FullState, NextToken> scorer(model, state, loss, options, 0);
  const Sequence first = some_sequence(9, 1), second = some_sequence(6, 2);
  const TokenBatch together = batch_of({first, second});
  const double expected = loss_sum(model, state, together, loss) / loss.count(together);
  const Evaluation whole = evaluation_of(loss, scorer, {together});
  CHECK(whole.loss == Approx(expected).epsilon(1e-12));
  CHECK(evaluation_of(loss, scorer, {batch_of({first}), batch_of({second})}).loss ==
        Approx(expected).epsilon(1e-12));
}

TEST_CASE("an evaluation of what is not scored is 0", "[trainer][C3]") {
  const models::Decoder model = tiny_model();
  const FullState state = Full{}.attach(model);
  const NextToken loss;
  const Options options;
  const Scorer<models::Decoder, const FullState, NextToken> scorer(model, state, loss, options, 0);
  Sequence unscored = some_sequence(6, 1);
  unscored.weights.assign(6, 0.0F);
  CHECK(evaluation_of(loss, scorer, {batch_of({unscored})}).loss == 0.0);
  CHECK(evaluation_of(loss, scorer, {}).loss == 0.0);
}
