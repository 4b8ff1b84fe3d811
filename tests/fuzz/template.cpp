// SPDX-License-Identifier: Apache-2.0
// Any bytes as a chat template: an error or a text, in bounded time and memory.
#include <cstdint>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/text/chat_template.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using posttrain::Json;
  using posttrain::text::ChatTemplate;
  static const Json messages = Json::parse(
      R"([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi <b>"},
          {"role": "assistant", "content": null, "tool_calls": [{"type": "function",
           "function": {"name": "f", "arguments": {"a": 1, "b": [true, null, 1.5e3]}}}]},
          {"role": "tool", "content": [{"type": "text", "text": "4\u00e9"}]}])");
  static const Json tools = Json::parse(R"([{"type": "function", "function": {"name": "f"}}])");
  static const Json extra{{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  try {
    const std::string_view source(reinterpret_cast<const char*>(data), size);
    ChatTemplate::parse(source).render(messages, tools, true, extra);
  } catch (const posttrain::Error&) {
  }
  return 0;
}
