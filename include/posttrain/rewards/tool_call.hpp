// SPDX-License-Identifier: Apache-2.0
// 1 where the completion calls the record's tool with its arguments, 0.5 where the arguments
// differ, 0 where the tool does. Training Hub's tool_call_reward.
//
// Arguments are compared by value: 1 is 1.0, the order of keys is free, that of a list is not, "1"
// is no number. Several calls must be as many as the record's, in its order; one whose arguments
// differ makes 0.5 of all. Calls are read from the last message, where the conversation has some
// there, else from the text: <tool_call>{…}</tool_call>, or a text that is nothing but the JSON of
// a call or of a list of calls.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/json.hpp"
#include "posttrain/rewards/sample.hpp"

namespace posttrain {

struct ToolCall {
  bool after_think = false;  // reads behind the last </think> only; none: 0

  /// An answer is the JSON of a call, {"name": …, "arguments": {…}}, or of a list of calls;
  /// OpenAI's form with "function" and arguments as text is one, too. Any other is an error.
  void check_answer(std::string_view answer) const;

  /// Where the record has no answer, its columns target_tool_name and target_arguments are it.
  Verdict operator()(const Sample& sample) const;
};

namespace rewards {

/// A call as it is compared.
struct ToolUse {
  std::string name;
  std::string arguments;  // canonical JSON of an object
};

/// The calls that a JSON value is: one, or a list. Nothing, with the problem, where it is none.
std::optional<std::vector<ToolUse>> calls_of(const Json& value, std::string& problem);

}  // namespace rewards

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/impl/tool_call.ipp"
#endif
