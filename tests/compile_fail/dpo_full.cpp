// expected: posttrain: this Loss needs a reference model and these Params have none [docs/concepts.md#reference]
// SPDX-License-Identifier: Apache-2.0
// DPO on parameters that overwrite what they start from.
#include "posttrain/batch/pairs.hpp"
#include "posttrain/data/pipeline/loaded.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

struct Pairs {
  PairKind kind() const { return {}; }
  data::LoadedItems<AnswerPair> load(const data::LoadContext&) const { return {}; }
};

int main() {
#ifdef LEGAL
  const WithFrozenReference params{Full{}};
#else
  const Full params;
#endif
  Trainer trainer(models::Decoder(models::DecoderConfig{}), Dpo{}, params, Pairs{}, AdamW{});
  return trainer.train().loss < 1.0 ? 0 : 1;
}
