// expected: posttrain: save(trainer, folder) writes an adapter, a prompt or a change and needs the policy's files header; a model: trainer.save [docs/runs.md#model-cards]
// SPDX-License-Identifier: Apache-2.0
// All weights as a folder beside the base.
#include "posttrain/data/tokenized.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/lora/files.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

int main() {
#ifdef LEGAL
  const Lora params;
#else
  const Full params;
#endif
  Trainer trainer(models::Decoder(models::DecoderConfig{}), NextToken{}, params, Tokenized{},
                  AdamW{});
  save(trainer, "beside");
}
