// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/formats/tool_nulls.hpp"

#include "posttrain/data/formats/records.hpp"
#include "support/catch.hpp"

using namespace posttrain::data;
using posttrain::Json;

TEST_CASE("null fields are left out at any depth; nulls of lists, and the order of keys, stay") {
  Json value = Json::parse(
      R"({"z": 1, "a": null, "m": {"b": null, "c": [{"d": null, "e": 2}, null]}, "f": {"g": null}})");
  CHECK(count_nulls(value) == 4);
  drop_nulls(value);
  CHECK(value.dump() == R"({"z":1,"m":{"c":[{"e":2},null]},"f":{}})");
  CHECK(count_nulls(value) == 0);
}

TEST_CASE("only calls and schemas of tools lose their nulls") {
  auto record = SupervisedRecord::from(Json::parse(
      R"({"messages": [{"role": "user", "content": "x", "note": {"n": null}},
            {"role": "assistant", "content": null, "tool_calls":
              [{"type": "function", "function": {"name": "f", "arguments": {"a": 1, "b": null}}},
               {"type": "function", "function": {"name": "g", "arguments": "{\"c\": null}"}}]}],
          "tools": [{"name": "f", "parameters": {"a": {"type": "integer"}, "b": null}}]})"));
  CHECK(count_tool_nulls(record) == 2);
  drop_tool_nulls(record);
  CHECK(count_tool_nulls(record) == 0);
  const Json& messages = record.completion.messages;
  CHECK(messages[0]["note"].dump() == R"({"n":null})");
  CHECK(messages[1].contains("content"));
  CHECK(messages[1]["tool_calls"][0]["function"]["arguments"].dump() == R"({"a":1})");
  CHECK(messages[1]["tool_calls"][1]["function"]["arguments"] == R"({"c": null})");
  CHECK(record.inputs.tools.dump() == R"([{"name":"f","parameters":{"a":{"type":"integer"}}}])");
}

TEST_CASE("calls of both answers of a pair are looked at") {
  const auto record = PairRecord::from(Json::parse(
      R"({"prompt": [{"role": "user", "content": "x"}],
          "chosen": [{"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": {"a": null}}}],
          "rejected": [{"role": "assistant", "content": "", "tool_calls": [{"name": "f", "arguments": {"b": null}}]}]})"));
  CHECK(count_tool_nulls(record) == 2);
}
