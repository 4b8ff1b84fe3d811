// expected: posttrain: a curriculum needs `double operator()(std::int64_t record, std::span<const double> rewards) const` [docs/concepts.md#curriculum]
// SPDX-License-Identifier: Apache-2.0
// A curriculum by the rewards alone: the record is given, too.
#include <span>

#include "posttrain/data/rollouts.hpp"
#include "posttrain/losses/grpo.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/rewards/numeric_answer.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

struct Unseen {
#ifdef LEGAL
  double operator()(std::int64_t, std::span<const double> rewards) const {
    return rewards.empty() ? 1.0 : 0.1;
  }
#else
  double operator()(std::span<const double> rewards) const { return rewards.empty() ? 1.0 : 0.1; }
#endif
};

int main() {
  Trainer trainer(models::Decoder(models::DecoderConfig{}), Grpo{}, Full{},
                  Rollouts<NumericAnswer, NoEnvironment, Unseen>{}, AdamW{});
  return trainer.train().loss < 1.0 ? 0 : 1;
}
