// SPDX-License-Identifier: Apache-2.0
// Prompts answered by a model under a gate, and judged: verifiers take a sample as soon as it is
// written, while others are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "posttrain/base/stopwatch.hpp"
#include "posttrain/batch/rollout.hpp"
#include "posttrain/data/rollouts/prompt_kind.hpp"
#include "posttrain/data/rollouts/rollout_metrics.hpp"
#include "posttrain/generate/generator.hpp"
#include "posttrain/rewards/pool.hpp"
#include "posttrain/rewards/sample.hpp"
#include "posttrain/text/chat_tokenizer.hpp"

namespace posttrain::data {

/// What the answers to one prompt have in common for a verifier.
posttrain::Sample asked(const PromptItem& item, const text::ChatTokenizer& text);

/// An answer to it as a verifier sees it.
posttrain::Sample judged(const posttrain::Sample& asked, const RolloutSample& answer);

/// What is answered, and how.
struct AnswerPlan {
  const std::vector<PromptItem>* items = nullptr;
  std::span<const std::size_t> chosen{};  // which of them
  std::int64_t samples = 1;               // of each
  std::uint64_t epoch = 0;                // keys the draws, beside the seed and the item's index
  Sampling sampling{};
  GeneratorOptions generator{};
};

/// Adds a group of judged answers to `rollout` for each chosen prompt, in order.
template <class Gate>
void answer_prompts(const models::Decoder& model, const Gate& gate, const text::ChatTokenizer& text,
                    const AnswerPlan& plan, VerifierPool& pool, Rollout& rollout,
                    RolloutWork& work) {
  const std::size_t first_group = rollout.groups.size();
  const auto group_size = static_cast<std::size_t>(plan.samples);
  const Stopwatch writes;
  Generator generator(model, gate, text.eos_ids(), plan.generator, &text.tokenizer());
  std::vector<posttrain::Sample> questions;
  std::int64_t first_request = -1;  // they are numbered one after another
  for (const std::size_t index : plan.chosen) {
    const PromptItem& item = (*plan.items)[index];
    const std::int64_t request =
        generator.add({.prompt = item.ids,
                       .sampling = plan.sampling,
                       .samples = plan.samples,
                       .epoch = plan.epoch,
                       .prompt_index = static_cast<std::uint64_t>(item.sample)});
    if (first_request < 0) first_request = request;
    RolloutGroup& group = rollout.groups.emplace_back();
    group.prompt = item.ids;
    group.sample = item.sample;
    group.samples.resize(group_size);
    questions.push_back(asked(item, text));
  }
  pool.begin(plan.chosen.size() * group_size, group_size);
  const auto take = [&] {
    for (Completion& written : generator.take()) {
      const auto g = static_cast<std::size_t>(written.request - first_request);
      const auto s = static_cast<std::size_t>(written.sample);
      work.sampled_tokens += std::ssize(written.ids);
      RolloutSample& sample = rollout.groups[first_group + g].samples[s];
      sample.sampled.assign(written.ids.size(), 1);
      sample.ids = std::move(written.ids);
      sample.sampled_logps = std::move(written.logps);
      sample.finish = written.finish;
      sample.text = std::move(written.text);
      pool.add(g * group_size + s, judged(questions[g], sample));
    }
  };
  while (generator.step()) take();
  take();
  work.generate_seconds += writes.seconds();
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
  }
}

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/rollouts/impl/answer_prompts.ipp"
#endif
