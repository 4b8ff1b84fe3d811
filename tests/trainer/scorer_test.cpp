// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer/scorer.hpp"

#include <map>

#include "posttrain/losses/dpo.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/prompt_tuning.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/some_pairs.hpp"
#include "support/tiny_model.hpp"

using namespace posttrain;
using namespace posttrain::test;

TEST_CASE("a loss that compares finds the reference's scores in its batches", "[trainer][C16]") {
  const models::Decoder model = tiny_model();
  auto state = WithFrozenReference{Full{}}.attach(model);
  const Dpo loss;
  const Options options;
  const Scorer scorer(model, state, loss, options, 0);
  const std::vector<PairBatch> batches{packed(some_pairs(2)), packed(some_pairs(1))};
  const auto before = scorer.prepared(batches);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    CHECK_FALSE(batches[i].ref_logps.defined());
    CHECK(at::equal(before[i].ref_logps, scorer.scored(before, false)[i].scores().logp));
  }
  // They stay those of the base while the policy moves, and those that came along are not touched.
  disturb(state);
  CHECK(at::equal(scorer.prepared(batches)[0].ref_logps, before[0].ref_logps));
  CHECK_FALSE(at::equal(scorer.scored(before, false)[0].scores().logp, before[0].ref_logps));
  CHECK(scorer.prepared(before)[0].ref_logps.is_same(before[0].ref_logps));
}

TEST_CASE("a backward pass adds the gradient of its share, recomputed or not", "[trainer][C1]") {
  const models::Decoder model = tiny_model();
  FullState state = Full{}.attach(model);
  const NextToken loss;
  const std::vector<TokenBatch> batches{batch_of({some_sequence(9, 1)}),
                                        batch_of({some_sequence(6, 2), some_sequence(7, 3)})};
  zero_gradients(state);
  const double count = loss.count(batches[0]) + loss.count(batches[1]);
  double expected = 0.0;
  for (const TokenBatch& batch : batches) {
    expected += add_gradients(model, state, batch, loss, 1.0 / count);
  }
  const Tensor gradient = flat_gradient(state);
  for (const bool checkpointing : {false, true}) {
    Options options;
    options.gradient_checkpointing = checkpointing;
    const Scorer scorer(model, state, loss, options, 0);
    zero_gradients(state);
    const Objective objective(loss, batches);
    double sum = 0.0;
    for (const TokenBatch& batch : scorer.prepared(batches))
      sum += scorer.backward(batch, objective).item().toDouble();
    CHECK(sum == Approx(expected / count).epsilon(1e-12));
    CHECK(relative_error(flat_gradient(state), gradient) < 1e-12);
  }
}

TEST_CASE("noise falls on training passes alone", "[trainer]") {
  const models::Decoder model = tiny_model();
  FullState state = Full{}.attach(model);
  const NextToken loss;
  const std::vector<TokenBatch> batches{batch_of({some_sequence(9, 1)})};
  const auto logp = [&](double alpha, std::int64_t step, bool training) {
    Options options;
    options.neftune_noise_alpha = alpha;
    const Scorer scorer(model, state, loss, options, step);
    return scorer.scored(batches, training)[0].scores().logp.clone();
  };
  const Tensor plain = logp(0.0, 0, false);
  CHECK(at::equal(logp(0.0, 0, true), plain));
  CHECK(at::equal(logp(5.0, 0, false), plain));
  const Tensor noisy = logp(5.0, 0, true);
  CHECK(relative_error(noisy, plain) > 1e-3);
  CHECK(at::equal(logp(5.0, 0, true), noisy));
  CHECK_FALSE(at::equal(logp(5.0, 1, true), noisy));
}

TEST_CASE("batches come behind the virtual tokens of the policy, and not of its reference",
          "[trainer][prompt]") {
  const models::Decoder model = tiny_model();
  auto state = PromptTuning{.num_virtual_tokens = 3}.attach(model);
  const Dpo loss;
  const Options options;
  const Scorer scorer(model, state, loss, options, 0);
  const std::vector<PairBatch> batches{packed(some_pairs(2))};
  const PairBatch ready = scorer.prepared(batches).at(0);
  CHECK(ready.virtual_tokens == 3);
  CHECK(ready.tokens() == batches[0].tokens() + 3);
  CHECK(ready.ref_logps.size(0) == batches[0].predictions());
  CHECK(at::equal(ready.ref_logps, scorer.reference_logps(batches[0])));
}
