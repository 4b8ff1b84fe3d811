// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/messages.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

int main(int, char** argv) {
  hub::PretrainedDecoder model(argv[1]);
  Trainer trainer(model, NextToken{}, Full{}, Messages{.path = argv[2]}, AdamW{}, Options{});
  const TrainResult result = trainer.train();
  trainer.save(argv[3]);
  return result.interrupted ? 1 : 0;
}
