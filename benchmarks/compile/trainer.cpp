// SPDX-License-Identifier: Apache-2.0
#include "posttrain/trainer.hpp"

#include "posttrain/data/tokenized.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"

using namespace posttrain;

int main() {
  models::Decoder model(models::DecoderConfig{});
  Options options;
  Trainer trainer(model, NextToken{}, Full{}, Tokenized{}, AdamW{}, options);
  return static_cast<int>(trainer.train().steps);
}
