// SPDX-License-Identifier: Apache-2.0
// Definitions of tool_call.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/io/json.hpp"
#include "posttrain/rewards/text/canonical_json.hpp"
#include "posttrain/rewards/text/parts.hpp"
#include "posttrain/rewards/tool_call.hpp"

namespace posttrain {

namespace rewards {

namespace detail {

inline std::optional<ToolUse> call_of(const Json& value, std::string& problem) {
  const auto none = [&](std::string why) {
    problem = std::move(why);
    return std::nullopt;
  };
  if (!value.is_object()) return none("a call is an object with a name");
  const Json* function = io::value_under(value, "function");
  const Json& call = function != nullptr && function->is_object() ? *function : value;
  const Json* name = io::value_under(call, "name");
  if (name == nullptr || !name->is_string() || name->get_ref<const std::string&>().empty()) {
    return none("a call without a name");
  }
  const Json* arguments = io::value_under(call, "arguments");
  const Json* parameters = io::value_under(call, "parameters");  // Llama 3's name
  if (arguments != nullptr && parameters != nullptr) {
    return none("a call with both arguments and parameters");
  }
  if (arguments == nullptr) arguments = parameters;
  if (arguments == nullptr) return ToolUse{name->get<std::string>(), "{}"};
  std::optional<Json> parsed;
  if (arguments->is_string()) {
    parsed = strict_json(arguments->get_ref<const std::string&>(), problem);
    if (!parsed) return none("arguments: " + problem);
    arguments = &*parsed;
  }
  if (!arguments->is_object()) return none("arguments that are no object");
  return ToolUse{name->get<std::string>(), canonical_json(*arguments)};
}

/// The calls of a text; nothing, with the problem, where there are none or one is broken.
inline std::optional<std::vector<ToolUse>> calls_in_text(std::string_view text,
                                                         std::string& problem) {
  constexpr std::string_view kBegin = "<tool_call>", kEnd = "</tool_call>";
  std::vector<ToolUse> calls;
  std::size_t at = text.find(kBegin);
  if (at == text.npos) {
    const std::optional<Json> value = strict_json(trimmed(text), problem);
    if (value) return calls_of(*value, problem);
    problem = "no call";
    return std::nullopt;
  }
  for (; at != text.npos; at = text.find(kBegin, at)) {
    at += kBegin.size();
    const std::size_t end = text.find(kEnd, at);
    if (end == text.npos) {
      problem = "a call that does not end";
      return std::nullopt;
    }
    const std::optional<Json> value = strict_json(trimmed(text.substr(at, end - at)), problem);
    if (!value) {
      problem = "a call: " + problem;
      return std::nullopt;
    }
    const std::optional<std::vector<ToolUse>> some = calls_of(*value, problem);
    if (!some) return std::nullopt;
    calls.insert(calls.end(), some->begin(), some->end());
    at = end + kEnd.size();
  }
  return calls;
}

/// The calls of a conversation's last turn; null where it has none.
inline const Json* calls_of_last_turn(const Sample& sample) {
  if (!sample.messages || !sample.messages->is_array() || sample.messages->empty()) return nullptr;
  const Json& last = sample.messages->back();
  if (!last.is_object()) return nullptr;
  const Json* role = io::value_under(last, "role");
  if (role == nullptr || *role != "assistant") return nullptr;
  const Json* calls = io::value_under(last, "tool_calls");
  return calls != nullptr && calls->is_array() && !calls->empty() ? calls : nullptr;
}

/// The calls that the record wants.
inline std::optional<std::vector<ToolUse>> wanted_calls(const Sample& sample,
                                                        std::string& problem) {
  if (!sample.answer.empty()) {
    const std::optional<Json> value = strict_json(trimmed(sample.answer), problem);
    return value ? calls_of(*value, problem) : std::nullopt;
  }
  if (sample.record && sample.record->is_object()) {
    if (const Json* name = io::value_under(*sample.record, "target_tool_name")) {
      const Json* arguments = io::value_under(*sample.record, "target_arguments");
      return calls_of(
          Json{{"name", *name}, {"arguments", arguments == nullptr ? Json::object() : *arguments}},
          problem);
    }
  }
  problem = "the record has no answer";
  return std::nullopt;
}

inline std::string shown_calls(const std::vector<ToolUse>& calls) {
  std::string text;
  for (const ToolUse& call : calls) {
    text += (text.empty() ? "" : " ") + call.name + "(" + call.arguments + ")";
  }
  return text;
}

}  // namespace detail

POSTTRAIN_INLINE std::optional<std::vector<ToolUse>> calls_of(const Json& value,
                                                              std::string& problem) {
  if (!value.is_array()) {
    const std::optional<ToolUse> call = detail::call_of(value, problem);
    if (!call) return std::nullopt;
    return std::vector{*call};
  }
  std::vector<ToolUse> calls;
  for (const Json& one : value) {
    std::optional<ToolUse> call = detail::call_of(one, problem);
    if (!call) return std::nullopt;
    calls.push_back(*std::move(call));
  }
  if (calls.empty()) {
    problem = "a list of no calls";
    return std::nullopt;
  }
  return calls;
}

}  // namespace rewards

POSTTRAIN_INLINE void ToolCall::check_answer(std::string_view answer) const {
  Sample sample;
  sample.answer = answer;
  std::string problem;
  if (!rewards::detail::wanted_calls(sample, problem)) {
    raise(
        "expected the JSON of a tool call as answer, got '{}': {}; hint: {{\"name\": \"f\", "
        "\"arguments\": {{\"a\": 1}}}}",
        answer, problem);
  }
}

POSTTRAIN_INLINE Verdict ToolCall::operator()(const Sample& sample) const {
  std::string problem;
  const auto wanted = rewards::detail::wanted_calls(sample, problem);
  if (!wanted) return Verdict::not_applicable(problem);
  std::optional<std::vector<rewards::ToolUse>> found;
  if (const Json* calls = rewards::detail::calls_of_last_turn(sample)) {
    found = rewards::calls_of(*calls, problem);
  } else {
    const auto part = rewards::judged_part(sample.completion, after_think);
    if (!part) return Verdict::of(0.0, "", rewards::kNoEndOfThoughts);
    found = rewards::detail::calls_in_text(*part, problem);
  }
  if (!found) return Verdict::of(0.0, "", problem);
  std::string shown = rewards::detail::shown_calls(*found);
  if (found->size() != wanted->size()) {
    return Verdict::of(0.0, std::move(shown),
                       fmt::format("expected {} calls, got {}", wanted->size(), found->size()));
  }
  double value = 1.0;
  std::string reason = "the record's call";
  for (std::size_t i = 0; i < wanted->size(); ++i) {
    const rewards::ToolUse &one = (*found)[i], &other = (*wanted)[i];
    if (one.name != other.name) {
      return Verdict::of(0.0, std::move(shown), "expected a call of " + other.name);
    }
    if (one.arguments != other.arguments && value == 1.0) {
      value = 0.5;
      reason = fmt::format("expected {}({})", other.name, other.arguments);
    }
  }
  return Verdict::of(value, std::move(shown), std::move(reason));
}

}  // namespace posttrain
