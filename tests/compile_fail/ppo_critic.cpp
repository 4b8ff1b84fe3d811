// expected: posttrain: this Loss trains a critic and these Params have none; take WithCritic [docs/parameters.md#critics]
// SPDX-License-Identifier: Apache-2.0
// PPO on parameters without a critic.
#include "posttrain/data/rollouts.hpp"
#include "posttrain/losses/ppo.hpp"
#include "posttrain/models/decoder.hpp"
#include "posttrain/optim/adamw.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/with_critic.hpp"
#include "posttrain/rewards/numeric_answer.hpp"
#include "posttrain/trainer.hpp"

using namespace posttrain;

int main() {
#ifdef LEGAL
  const WithCritic params{Full{}};
#else
  const Full params;
#endif
  Trainer trainer(models::Decoder(models::DecoderConfig{}), Ppo{}, params,
                  Rollouts<NumericAnswer>{}, AdamW{});
  return trainer.train().loss < 1.0 ? 0 : 1;
}
