// SPDX-License-Identifier: Apache-2.0
// Conversations of a policy with an environment (data/rollouts/environment.hpp): ids in, ids out.
//
// What the policy drew is kept and never tokenized again. What stands behind its turn is the text
// that the chat template writes there (the end of the turn, if the policy has not drawn it itself;
// the reply; the header of the next turn), and only that is tokenized. The template has to go on
// with what it wrote before: one that rewrites earlier turns (Qwen3's drops thoughts once a user
// follows) is an error with its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "posttrain/base/sequence.hpp"
#include "posttrain/batch/rollout.hpp"
#include "posttrain/data/rollouts/environment.hpp"
#include "posttrain/data/rollouts/prompt_kind.hpp"
#include "posttrain/data/rollouts/rollout_metrics.hpp"
#include "posttrain/generate/request.hpp"
#include "posttrain/rewards/pool.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

/// How long conversations may be, and who answers.
struct TurnOptions {
  AnyEnvironment environment{};
  std::int64_t max_turns = 8;  // of the policy
  OnError on_error = OnError::stop;
  std::int64_t max_tokens = 0;  // of a prompt and all that stands behind it; 0: no limit
  std::int64_t max_read = 0;    // of what a turn is written behind; 0: no limit
};

/// The conversations of a round of samples, each by its index.
class Turns {
 public:
  /// `max_new_tokens`: that a sample may have in all of its turns. `positions`: of the model;
  /// `room`: Generator::room; 0: no limit. Both references have to live as long.
  Turns(const text::ChatTokenizer& text, const TurnOptions& options, std::int64_t max_new_tokens,
        std::int64_t positions = 0, std::int64_t room = 0)
      : text_(&text),
        options_(&options),
        max_new_tokens_(max_new_tokens),
        positions_(positions),
        room_(room) {}

  /// Begins the conversations of `samples` more samples of a prompt.
  void add(const PromptItem& item, std::int64_t samples);

  /// A turn has ended, its ids being the last of `sample.ids` behind a prompt of `prompt` tokens:
  /// appends the reply that the environment gives, if any. Returns how many tokens the next turn
  /// may have; 0: the sample is over, `sample.finish` says why. Adds to `work` what is counted.
  std::int64_t after(std::size_t index, std::size_t prompt, const Completion& turn,
                     RolloutSample& sample, RolloutWork& work);

  /// The conversation up to now.
  std::shared_ptr<const Json> messages(std::size_t index) const {
    return std::make_shared<const Json>(all_.at(index).so_far.messages);
  }

  /// By `on_error`, the reward of a sample whose environment failed (FinishReason::error).
  void give_up(std::size_t index, RolloutSample& sample) const;

 private:
  struct State {
    text::Conversation so_far;
    std::shared_ptr<const Json> record;  // null where the environment does not read it
    std::string rendered;                // up to where the policy writes
    std::int64_t sample = -1, turns = 0;
    std::string failure{};
  };

  /// A conversation with a reply, and the ids of what the template writes for it behind a turn.
  struct Continued {
    text::Conversation so_far;
    std::string rendered;
    TokenIds ids;
  };

  /// What the environment says.
  std::optional<Reply> ask(const State& state) const;
  Continued continued(const State& state, const Reply& reply, const Completion& turn) const;
  std::string render(const State& state, const text::Conversation& conversation,
                     bool add_generation_prompt) const;
  /// "sample 3, turn 2".
  static std::string place(const State& state);

  const text::ChatTokenizer* text_;
  const TurnOptions* options_;
  std::int64_t max_new_tokens_, positions_, room_;
  std::vector<State> all_;
};

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/rollouts/impl/turns.ipp"
#endif
