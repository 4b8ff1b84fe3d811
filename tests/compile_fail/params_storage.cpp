// expected: posttrain: the storage of these Params is none: Dense, Nf4, Int8 and Gguf are [docs/parameters.md#quantised-storage]
// SPDX-License-Identifier: Apache-2.0
// Adapters on something that stores no matrices.
#include "posttrain/data/tokenized.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora.hpp"
#include "posttrain/storage/nf4.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

#ifdef LEGAL
using Storage = Nf4;
#else
using Storage = Full;
#endif

int main() {
  Trainer trainer(models::Decoder(models::DecoderConfig{}), NextToken{}, BasicLora<Storage>{},
                  Tokenized{.path = "tokens.jsonl"}, AdamW{});
  return trainer.train().loss < 1.0 ? 0 : 1;
}
