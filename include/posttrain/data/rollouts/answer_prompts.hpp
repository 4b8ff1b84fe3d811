// SPDX-License-Identifier: Apache-2.0
// Prompts answered by a model under a gate, and judged: verifiers take a sample as soon as it is
// written, while others are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "posttrain/base/stopwatch.hpp"
#include "posttrain/batch/rollout.hpp"
#include "posttrain/data/rollouts/prompt_kind.hpp"
#include "posttrain/data/rollouts/prompt_order.hpp"
#include "posttrain/data/rollouts/rollout_metrics.hpp"
#include "posttrain/data/rollouts/turns.hpp"
#include "posttrain/generate/generator_for.hpp"
#include "posttrain/rewards/pool.hpp"
#include "posttrain/rewards/sample.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

/// What the answers to one prompt have in common for a verifier.
Sample asked(const PromptItem& item, const text::ChatTokenizer& text);

/// An answer to it as a verifier sees it. `messages`: the whole conversation; null: it is the
/// prompt's with one answer.
Sample judged(const Sample& asked, const RolloutSample& answer,
              std::shared_ptr<const Json> messages = nullptr);

/// What is answered, and how.
struct AnswerPlan {
  const std::vector<PromptItem>* items = nullptr;
  /// Which of them; a pass keys the draws, beside the seed and the item's index.
  std::span<const DrawnPrompt> chosen{};
  std::int64_t samples = 1;  // of each
  Sampling sampling{};
  GeneratorOptions generator{};
  const TurnOptions* turns = nullptr;  // null: the answer is one turn
};

/// All samples of a group's prompt; one of them, which goes on with at most `most` ids.
Request first_turn(const AnswerPlan& plan, const RolloutGroup& group, std::int64_t pass);
Request next_turn(const AnswerPlan& plan, const RolloutGroup& group, std::int64_t pass,
                  std::int64_t sample, std::int64_t most);

/// What the policy drew, behind what the sample has.
void append_turn(RolloutSample& sample, const Completion& turn);

/// Adds a group of judged answers to `rollout` for each chosen prompt, in order.
template <class Model, class Gate>
void answer_prompts(const Model& model, const Gate& gate, const text::ChatTokenizer& text,
                    const AnswerPlan& plan, VerifierPool& pool, Rollout& rollout,
                    RolloutWork& work) {
  const std::size_t first_group = rollout.groups.size();
  const auto group_size = static_cast<std::size_t>(plan.samples);
  const Stopwatch writes;
  auto generator = generator_for(model, gate, text.eos_ids(), plan.generator, &text.tokenizer());
  std::optional<Turns> turns;
  if (plan.turns != nullptr) {
    std::int64_t positions = 0, room = 0;  // no limits
    if constexpr (KeepsKeys<Model>) {
      const models::DecoderConfig& config = model.config();
      if (config.learned_positions) positions = config.max_positions - virtual_tokens(gate);
      room = generator.room();
    }
    turns.emplace(text, *plan.turns, plan.sampling.max_new_tokens, positions, room);
  }
  std::vector<Sample> questions;
  std::vector<std::size_t> group_of;  // of each request: they are numbered one after another
  for (const DrawnPrompt& drawn : plan.chosen) {
    const PromptItem& item = (*plan.items)[drawn.prompt];
    RolloutGroup& group = rollout.groups.emplace_back();
    group.prompt = item.ids;
    group.sample = item.sample;
    group.samples.resize(group_size);
    generator.add(first_turn(plan, group, drawn.pass));
    group_of.push_back(questions.size());
    questions.push_back(asked(item, text));
    if (turns) turns->add(item, plan.samples);
  }
  pool.begin(plan.chosen.size() * group_size, group_size);
  const auto take = [&] {
    for (Completion& written : generator.take()) {
      const std::size_t g = group_of[static_cast<std::size_t>(written.request)];
      const std::size_t i = g * group_size + static_cast<std::size_t>(written.sample);
      work.sampled_tokens += std::ssize(written.ids);
      RolloutGroup& group = rollout.groups[first_group + g];
      RolloutSample& sample = group.samples[i % group_size];
      append_turn(sample, written);
      const std::int64_t left =
          turns ? turns->after(i, group.prompt.size(), written, sample, work) : 0;
      if (left > 0) {
        generator.add(next_turn(plan, group, plan.chosen[g].pass, written.sample, left));
        group_of.push_back(g);
      } else {
        pool.add(i, judged(questions[g], sample, turns ? turns->messages(i) : nullptr));
      }
    }
  };
  do {
    while (generator.step()) take();
    take();
  } while (!generator.idle());  // replies are answered in turn
  work.generate_seconds += writes.seconds();
  work.passes += generator.counts().steps;
  work.rows += generator.counts().sample_rows;
  const Stopwatch waits;
  const Verified verified = pool.finish();
  work.verify_seconds += waits.seconds();
  work.verifier_failures += std::ssize(verified.failures);
  for (std::size_t i = 0; i < verified.rewards.size(); ++i) {
    RolloutSample& sample = rollout.groups[first_group + i / group_size].samples[i % group_size];
    for (const Verdict& verdict : verified.verdicts[i]) sample.scores.push_back(verdict.value);
    sample.reward = verified.rewards[i].value;
    sample.parsed = verified.rewards[i].parsed;
    sample.reason = verified.rewards[i].reason;
    if (sample.finish == FinishReason::error) turns->give_up(i, sample);
  }
}

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/rollouts/impl/answer_prompts.ipp"
#endif
