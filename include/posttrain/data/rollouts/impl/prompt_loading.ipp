// SPDX-License-Identifier: Apache-2.0
// Definitions of prompt_loading.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/data/formats/records.hpp"
#include "posttrain/data/pipeline/record_loading.hpp"
#include "posttrain/data/pipeline/supervised.hpp"
#include "posttrain/data/rollouts/prompt_loading.hpp"

namespace posttrain::data {

POSTTRAIN_INLINE LoadedItems<PromptItem> load_prompts(
    const Source& source, const LoadContext& context,
    const std::function<void(std::string_view)>& check_answer, const CallOptions& calls,
    bool only_conversations) {
  const auto tokenize = [&](const text::ChatTokenizer& text, const PromptRecord& record) {
    const auto said = [](const Json& value) {
      return value.dump(-1, ' ', false, Json::error_handler_t::replace);
    };
    PromptItem item;
    item.ids = prompt_ids(text, record.prompt, record.inputs);
    if (item.ids.empty()) fail("expected a prompt of at least one token, got none");
    if (record.answer.is_string()) {
      item.answer = record.answer.get<std::string>();
    } else if (!record.answer.is_null()) {
      item.answer = said(record.answer);
    }
    check_answer(item.answer);
    item.record = said(record.sample);
    if (!record.prompt.is_text()) {
      item.messages = said(record.prompt.messages);
      item.inputs = said({{"tools", record.inputs.tools},
                          {"documents", record.inputs.documents},
                          {"chat_template_kwargs", record.inputs.chat_template_kwargs}});
    } else if (only_conversations) {
      fail(
          "expected a conversation, which the environment goes on with, got a prompt that is a "
          "text; hint: \"prompt\": [{\"role\": \"user\", \"content\": …}]");
    }
    return std::vector<PromptItem>{std::move(item)};
  };
  auto prompts = load_records<PromptRecord>(
      PromptKind{}, source, context, tokenize,
      only_conversations ? "conversations with inputs" : "prompts with inputs", calls);
  prompts.report.unread = {};  // a verifier sees every column
  return prompts;
}

}  // namespace posttrain::data
