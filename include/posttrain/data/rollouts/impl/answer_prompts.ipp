// SPDX-License-Identifier: Apache-2.0
// Definitions of answer_prompts.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <memory>
#include <utility>

#include "posttrain/base/compiled.hpp"
#include "posttrain/data/rollouts/answer_prompts.hpp"
#include "posttrain/io/json.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE posttrain::Sample asked(const PromptItem& item, const text::ChatTokenizer& text) {
  posttrain::Sample sample;
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

POSTTRAIN_INLINE posttrain::Sample judged(const posttrain::Sample& asked,
                                          const RolloutSample& answer) {
  posttrain::Sample sample = asked;
  sample.completion = answer.text;
  sample.ids = answer.ids;
  sample.finish = answer.finish;
  if (asked.messages) {
    Json messages = *asked.messages;
    messages.push_back({{"role", "assistant"}, {"content", answer.text}});
    sample.messages = std::make_shared<const Json>(std::move(messages));
  }
  return sample;
}

}  // namespace posttrain::data
