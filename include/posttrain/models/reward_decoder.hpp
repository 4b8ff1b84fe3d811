// SPDX-License-Identifier: Apache-2.0
// A decoder whose head `score` gives one number for each row, a reward, instead of logits.
//
// To the losses this number is `Scores::reward`, the mean of the row's logits: there is one.
#pragma once

#include <utility>

#include "posttrain/models/decoder.hpp"

namespace posttrain::models {

class RewardDecoder : public Decoder {
 public:
  static constexpr bool predicts_rewards = true;

  /// Takes the body of a configuration; as in Decoder, weights are drawn without a loader.
  explicit RewardDecoder(DecoderConfig config, ModelOptions options = {}, WeightLoader loader = {},
                         PackedLoader packed_loader = {})
      : Decoder(with_reward_head(std::move(config)), options, std::move(loader),
                std::move(packed_loader)) {}
};

}  // namespace posttrain::models
