// SPDX-License-Identifier: Apache-2.0
// The cases of verifier_cases.jsonl: what was said, the record's answer, options, and the value
// that is wanted (null: not applicable). `row` numbers the table of cases that users of other
// libraries reported; c…: their list of defects; b: a published formula; s: a subset that is
// stated.
#include <map>
#include <string>

#include "posttrain/io/json_lines.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"
#include "support/verifier_request.hpp"

using namespace posttrain;
using namespace posttrain::test;

namespace {

std::string cases_path() { return POSTTRAIN_SOURCE_ROOT "/tests/rewards/verifier_cases.jsonl"; }

}  // namespace

TEST_CASE("every case of the table has the value that is wanted", "[verifiers]") {
  io::JsonLinesReader reader(cases_path());
  std::map<std::string, int> count;
  while (const auto record = reader.next()) {
    INFO(reader.where(record->line) << " " << record->error);
    REQUIRE(record->error.empty());
    Json request = record->value;
    const Json wanted = request.at("want");
    request.erase("want");
    request.erase("row");
    count[request.at("verifier").get<std::string>()] += 1;
    const Verdict verdict = verdict_of(request);
    INFO(verdict.parsed.substr(0, 200) << " " << verdict.reason);
    CHECK(value_of(verdict) == (wanted.is_null() ? "n/a" : value_of(Verdict::of(wanted, "", ""))));
    CHECK(!verdict.reason.empty());
    CHECK(verdict.seconds < 1.0);
  }
  CHECK(count.size() == 11);  // every verifier but MathAnswer, which has a table of its own
  CHECK(count["numeric"] >= 60);
  CHECK(count["choice"] >= 10);
  CHECK(count["tool_call"] >= 9);
}

TEST_CASE("options are fields by name, and an unknown one is an error with the nearest") {
  const auto ask = [](const char* text) { return verdict_of(Json::parse(text)); };
  CHECK_THROWS_WITH(
      ask(R"({"verifier": "numeric", "completion": "", "absolut_tolerance": 1})"),
      "expected an option of the verifier, got \"absolut_tolerance\"; hint: did you mean "
      "\"absolute_tolerance\"?");
  CHECK_THROWS_WITH(ask(R"({"verifier": "exact", "zzz": 1})"),
                    Catch::Contains("got \"zzz\"; hint: options are trim, ignore_case, nfkc"));
  CHECK_THROWS_WITH(ask(R"({"verifier": "exact", "completon": ""})"),
                    Catch::Contains("did you mean \"completion\"?"));
  CHECK_THROWS_WITH(ask(R"({"verifier": "exct"})"), Catch::Contains("did you mean \"exact\"?"));
  CHECK_THROWS_WITH(ask(R"({"verifier": "nothing like it"})"),
                    Catch::Contains("verifiers are exact, numeric"));
  CHECK_THROWS_WITH(ask("{}"), Catch::Contains("expected a value under \"verifier\""));
  CHECK_THROWS_WITH(ask("[]"), "expected an object per line");
  CHECK_THROWS_WITH(ask(R"({"verifier": "exact", "trim": 1})"),
                    "options: expected trim to be true or false, got 1");
  CHECK_THROWS_WITH(ask(R"({"verifier": "overlong", "buffer": 1.5})"),
                    Catch::Contains("expected buffer to be an integer"));
  CHECK_THROWS_WITH(ask(R"({"verifier": "command", "program": ["/bin/true"], "input": "jsn"})"),
                    "expected input to be one of text, json, files, got \"jsn\"");
  CHECK_THROWS_WITH(ask(R"({"verifier": "numeric", "relative_tolerance": 2})"),
                    "posttrain: NumericAnswer.relative_tolerance must be in [0, 1)");
  CHECK_THROWS_WITH(ask(R"({"verifier": "exact", "finish": "end"})"),
                    Catch::Contains("expected finish to be one of stop_id, stop_string, length"));
}
