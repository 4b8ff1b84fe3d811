// expected: posttrain: this Loss needs a reference model and these Params have none [docs/concepts.md#reference]
// SPDX-License-Identifier: Apache-2.0
// DPO on parameters that overwrite what they start from.
#include "posttrain/data/pipeline/pair_stream.hpp"
#include "posttrain/losses/dpo.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/with_frozen_reference.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

struct Pairs {
  using Batch = PairBatch;
  data::PairStream<> open(const data::LoadContext& context, std::int64_t batch) const {
    return {data::LoadedPairs{}, context, batch, 0};
  }
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
