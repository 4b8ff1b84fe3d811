// SPDX-License-Identifier: Apache-2.0
// Definitions of answer_prompts.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <memory>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/rollouts/answer_prompts.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE Sample asked(const PromptItem& item, const text::ChatTokenizer& text) {
  Sample sample;
  sample.prompt = text.tokenizer().decode(item.ids);
  sample.prompt_ids = item.ids;
  sample.answer = item.answer;
  sample.record = std::make_shared<const Json>(io::parse_json(item.record, "a prompt's record"));
  if (!item.messages.empty()) {
    sample.messages =
        std::make_shared<const Json>(io::parse_json(item.messages, "a prompt's messages"));
  }
  return sample;
}

POSTTRAIN_INLINE Sample judged(const Sample& asked, const RolloutSample& answer,
                               std::shared_ptr<const Json> messages) {
  Sample sample = asked;
  sample.completion = answer.text;
  sample.ids = answer.ids;
  sample.finish = answer.finish;
  sample.sampled = answer.sampled;
  if (messages) {
    sample.messages = std::move(messages);
  } else if (asked.messages) {
    Json all = *asked.messages;
    all.push_back({{"role", "assistant"}, {"content", answer.text}});
    sample.messages = std::make_shared<const Json>(std::move(all));
  }
  return sample;
}

POSTTRAIN_INLINE Request first_turn(const AnswerPlan& plan, const RolloutGroup& group,
                                    std::int64_t pass) {
  return {.prompt = group.prompt,
          .sampling = plan.sampling,
          .samples = plan.samples,
          .epoch = static_cast<std::uint64_t>(pass),
          .prompt_index = static_cast<std::uint64_t>(group.sample)};
}

POSTTRAIN_INLINE Request next_turn(const AnswerPlan& plan, const RolloutGroup& group,
                                   std::int64_t pass, std::int64_t sample, std::int64_t most) {
  const TokenIds& ids = group.samples[static_cast<std::size_t>(sample)].ids;
  Request request = first_turn(plan, group, pass);
  request.prompt.insert(request.prompt.end(), ids.begin(), ids.end());
  request.sampling.max_new_tokens = most;
  request.samples = 1;
  request.first_sample = sample;
  request.first_position = std::ssize(ids);
  return request;
}

POSTTRAIN_INLINE void append_turn(RolloutSample& sample, const Completion& turn) {
  if (!turn.support.sizes.empty()) sample.support.append(turn.support, sample.ids.size());
  sample.ids.insert(sample.ids.end(), turn.ids.begin(), turn.ids.end());
  sample.sampled.resize(sample.ids.size(), 1);
  sample.sampled_logps.insert(sample.sampled_logps.end(), turn.logps.begin(), turn.logps.end());
  sample.finish = turn.finish;
  sample.text = turn.text;
}

}  // namespace posttrain::data
