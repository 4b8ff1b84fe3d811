// SPDX-License-Identifier: Apache-2.0
// A whole program: one epoch on the pocket model, from the repository's root, into build/tuned.
// [snippet: program]
#include "posttrain/data/messages.hpp"
#include "posttrain/hub/pretrained_decoder.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

int main() {
  hub::PretrainedDecoder model("examples/pocket/model");
  Messages data{.path = "examples/pocket/data/conversations.jsonl"};
  Options options{.learning_rate = 1e-3, .warmup_steps = 10};
  Trainer trainer(model, NextToken{}, Full{}, data, AdamW{}, options);
  trainer.train();
  trainer.save("build/tuned");
}
// [/snippet]
