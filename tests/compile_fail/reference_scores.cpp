// expected: posttrain: WithReferenceScores needs data whose items keep scores, such as Preferences; what KTO compares depends on the step [docs/concepts.md#reference]
// SPDX-License-Identifier: Apache-2.0
// Scores computed once, for a loss that compares with answers of the same step.
#include "posttrain/data/answers.hpp"
#include "posttrain/losses/kto.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/params/with_reference_scores.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

int main() {
#ifdef LEGAL
  const WithFrozenReference params{Full{}};
#else
  const WithReferenceScores params{Full{}};
#endif
  Trainer trainer(models::Decoder(models::DecoderConfig{}), Kto{}, params,
                  Answers{.path = "answers.jsonl"}, AdamW{});
  return trainer.train().loss < 1.0 ? 0 : 1;
}
