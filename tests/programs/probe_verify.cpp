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
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "support/answer_lines.hpp"
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
  posttrain::test::answer_lines(answer);
  return 0;
}
