// expected: posttrain: these Params train nothing; they are for models that are only read [docs/parameters.md#frozen]
// SPDX-License-Identifier: Apache-2.0
// A Trainer of parameters that are never trained.
#include "posttrain/data/tokenized.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/frozen.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

#ifdef LEGAL
using Params = Full;
#else
using Params = Frozen;
#endif

int main() {
  Trainer trainer(models::Decoder(models::DecoderConfig{}), NextToken{}, Params{},
                  Tokenized{.path = "tokens.jsonl"}, AdamW{});
  return trainer.train().loss < 1.0 ? 0 : 1;
}
