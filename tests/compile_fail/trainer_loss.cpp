// expected: posttrain: Loss needs `double count(const Batch&) const` [docs/concepts.md#loss]
// SPDX-License-Identifier: Apache-2.0
// Through the Trainer: one message, although the rest of the program uses its members.
#include "posttrain/data/tokenized.hpp"
#include "posttrain/losses/next_token.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

struct MyLoss {
  using Batch = TokenBatch;
  static constexpr bool row_local = true;
#ifdef LEGAL
  double count(const Batch& batch) const { return static_cast<double>(batch.predictions()); }
#endif
  Tensor sum(const Scores& scores, const Batch&) const { return -scores.logp.sum(); }
};

struct Quiet {
  void on(const event::AfterStep&) {}
};

int main() {
  Trainer trainer(models::Decoder(models::DecoderConfig{}), MyLoss{}, Full{},
                  Tokenized{.path = "tokens.jsonl"}, AdamW{}, {.learning_rate = 1e-4});
  trainer.add(Quiet{});
  const TrainResult result = trainer.train();
  trainer.checkpoint();
  return result.loss < 1.0 ? 0 : 1;
}
