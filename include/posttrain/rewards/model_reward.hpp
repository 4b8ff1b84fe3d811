// SPDX-License-Identifier: Apache-2.0
// A trained reward model as a verifier: its score of each answer to a prompt.
//
//   const models::RewardDecoder judge(…);
//   const auto gate = Frozen{}.attach(judge);
//   RewardSum{ModelReward{judge, gate}, Weigh{FormatTags{}, 0.2}}
//
// It reads the ids of prompt and answers as they were sampled, so the model's tokenizer must be the
// policy's; nothing is decoded and tokenised again. The score is read at an answer's last id, as
// in training (rewards/reward_model.hpp): answers that were cut off end elsewhere, and should be
// judged by others. TRL takes a model among its reward functions likewise, and tokenises texts.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/rewards/reward_model.hpp"
#include "posttrain/rewards/sample.hpp"

namespace posttrain {

/// Refers to the model and its gate, which several threads may read at once.
template <class Model, class Gate>
class ModelReward {
 public:
  /// About `max_tokens` are read at a time.
  ModelReward(const Model& model, const Gate& gate, std::int64_t max_tokens = 16384)
      : model_(&model), gate_(&gate), max_tokens_(max_tokens) {}

  /// For the record of a run: which model it is, where it can say so.
  std::string description() const {
    std::string content;
    if constexpr (requires { model_->content(); }) content = model_->content().text();
    return fmt::format("ModelReward{{{}}}", content);
  }

  /// The scores of samples of one prompt, which is read once for all. Samples without ids, or of
  /// several prompts, are an error.
  std::vector<double> operator()(std::span<const Sample> group) const {
    if (group.empty()) return {};
    models::PromptAnswers all{group.front().prompt_ids, {}};
    for (std::size_t i = 0; i < group.size(); ++i) {
      if (group[i].prompt_ids != all.prompt) {
        raise("expected samples of one prompt for a reward model, sample {} of {} has another", i,
              group.size());
      }
      if (all.prompt.empty() || group[i].ids.empty()) {
        raise("expected the ids of prompt and answer for a reward model, sample {} of {} has {}", i,
              group.size(), all.prompt.empty() ? "none of its prompt" : "none of its answer");
      }
      all.answers.push_back(group[i].ids);
    }
    return models::reward_scores(*model_, *gate_, std::span(&all, 1), max_tokens_).front();
  }

 private:
  const Model* model_;
  const Gate* gate_;
  std::int64_t max_tokens_;
};

}  // namespace posttrain
