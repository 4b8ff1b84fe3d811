// SPDX-License-Identifier: Apache-2.0
// Prompts with answers, for recipes that sample.
#pragma once

#include <string>

namespace posttrain::test {

inline std::string some_prompts(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    const std::string n = std::to_string(i);
    text += R"({"messages": [{"role": "user", "content": "How many? )" + n + R"("}], "answer": ")" +
            n + R"("})" + "\n";
  }
  return text;
}

}  // namespace posttrain::test
