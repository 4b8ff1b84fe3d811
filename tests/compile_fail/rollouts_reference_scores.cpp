// expected: posttrain: WithReferenceScores scores data before the first step, and rollouts are made later [docs/concepts.md#rollouts]
// SPDX-License-Identifier: Apache-2.0
// Scores computed once, of pairs that the policy writes later.
#include "posttrain/data/online_pairs.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/params/with_reference_scores.hpp"
#include "posttrain/rewards/numeric_answer.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

int main() {
#ifdef LEGAL
  const WithFrozenReference params{Full{}};
#else
  const WithReferenceScores params{Full{}};
#endif
  Trainer trainer(models::Decoder(models::DecoderConfig{}), Dpo{}, params,
                  OnlinePairs<NumericAnswer>{}, AdamW{});
  return trainer.train().loss < 1.0 ? 0 : 1;
}
