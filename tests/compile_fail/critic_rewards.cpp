// expected: posttrain: a critic is a model that gives rewards, a models::RewardDecoder [docs/parameters.md#critics]
// SPDX-License-Identifier: Apache-2.0
// A language model as a critic.
#include "posttrain/models/reward_decoder.hpp"
#include "posttrain/params/full.hpp"
#include "posttrain/params/with_critic_model.hpp"

using namespace posttrain;

int main() {
#ifdef LEGAL
  const models::RewardDecoder critic{models::DecoderConfig{}};
#else
  const models::Decoder critic{models::DecoderConfig{}};
#endif
  const WithCriticModel params{Full{}, critic, Full{}};
  return params.has_reference ? 1 : 0;
}
