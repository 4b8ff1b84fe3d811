// SPDX-License-Identifier: Apache-2.0
// Verdicts, one JSON line per line of standard input:
//
//   {"verifier": "exact" | "numeric" | "math" | "choice" | "format" | "pattern" | "json_schema" |
//       "tool_call" | "overlong" | "cosine_length" | "repetition" | "command",
//    "completion": …, "answer"?: …, "prompt"?: …, "ids"?: […] or "length"?: of them, "finish"?: …,
//    "record"?: {…}, "messages"?: […], and the verifier's options by their names}
//       →  {"value": number or null, "applicable", "parsed", "reason", "seconds"}
//
// An error is {"error": "one line"}; an option that there is not is one.
#include <cstdio>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "posttrain/base/error_text.hpp"
#include "support/verifier_request.hpp"

namespace {

using posttrain::Json;

Json answer(const std::string& line) {
  const posttrain::Verdict verdict =
      posttrain::test::verdict_of(posttrain::io::parse_json_without_duplicates(line, "request"));
  return {{"value", verdict.value ? Json(*verdict.value) : Json(nullptr)},
          {"applicable", verdict.applicable()},
          {"parsed", verdict.parsed},
          {"reason", verdict.reason},
          {"seconds", verdict.seconds}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    std::fprintf(stderr, "usage: probe_verify < lines.jsonl\n");
    return std::string_view(argv[1]) == "--help" || std::string_view(argv[1]) == "-h" ? 0 : 2;
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    Json reply;
    try {
      reply = answer(line);
    } catch (const std::exception& error) {
      reply = {{"error", posttrain::error_text(error)}};
    }
    const std::string text = reply.dump(-1, ' ', false, Json::error_handler_t::replace);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fputc('\n', stdout);
    std::fflush(stdout);
  }
  return 0;
}
