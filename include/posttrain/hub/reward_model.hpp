// SPDX-License-Identifier: Apache-2.0
// A reward model with its Hugging Face folder: a decoder whose head `score` gives one number, read
// at the last token of a sequence.
//
//   hub::RewardModel model("path/of/a/chat/model");
//   Trainer trainer(model, BradleyTerry{}, Lora{.modules_to_save = "score"}, …);
//
// Folders are those of transformers' AutoModelForSequenceClassification with one label. Which token
// is the last follows from a sequence's length; transformers looks for the last one that is not
// `pad_token_id`, so that a score of a folder with pad = eos is read one token early there.
#pragma once

#include <string>

#include "posttrain/hub/pretrained_decoder.hpp"

namespace posttrain::hub {

class RewardModel : public PretrainedDecoder {
 public:
  static constexpr bool predicts_rewards = true;

  /// Opens a reward model; or a causal language model, whose head is left out and replaced by one
  /// that is drawn N(0, initializer_range²) from options.seed.
  explicit RewardModel(const std::string& folder, models::ModelOptions options = {});

  /// A folder without weights: all of them are drawn.
  static RewardModel from_scratch(const std::string& folder, models::ModelOptions options = {});

 private:
  RewardModel(models::ModelOptions options, Opened opened);

  static Opened open(const std::string& folder, const models::ModelOptions& options,
                     bool with_weights);

  /// config.json of a classifier with one label.
  std::string classifier_config() const;
};

}  // namespace posttrain::hub

#ifndef POSTTRAIN_COMPILED
#include "posttrain/hub/impl/reward_model.ipp"
#endif
