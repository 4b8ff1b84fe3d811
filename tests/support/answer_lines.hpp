// SPDX-License-Identifier: Apache-2.0
// A program that answers JSON lines: one reply for each line of standard input, {"error": "one
// line"} where the answer throws.
#pragma once

#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "posttrain/base/error_text.hpp"
#include "posttrain/base/json.hpp"

namespace posttrain::test {

inline void answer_lines(const std::function<Json(const std::string&)>& answer) {
  for (std::string line; std::getline(std::cin, line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    Json reply;
    try {
      reply = answer(line);
    } catch (const std::exception& error) {
      reply = {{"error", error_text(error)}};
    }
    const std::string text = reply.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
}

}  // namespace posttrain::test
