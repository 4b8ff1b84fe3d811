// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/tool_call.hpp"

#include <nlohmann/json.hpp>

#include "posttrain/rewards/verifier.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(JudgesSample<ToolCall> && ChecksAnswers<ToolCall>);

namespace {

constexpr const char* kWanted = R"({"name": "f", "arguments": {"a": 1, "b": ["x"]}})";

std::string value(const std::string& completion, const std::string& answer = kWanted) {
  return value_of(ToolCall{}(sample_of(completion, answer)));
}

std::string tagged(const std::string& call) { return "<tool_call>\n" + call + "\n</tool_call>"; }

}  // namespace

TEST_CASE("a call is 1, its name 0.5, another one 0") {
  CHECK(value(tagged(kWanted)) == "1");
  CHECK(value(tagged(R"({"arguments": {"b": ["x"], "a": 1.0}, "name": "f"})")) == "1");
  CHECK(value(tagged(R"({"name": "f", "arguments": {"a": 2, "b": ["x"]}})")) == "0.5");
  CHECK(value(tagged(R"({"name": "f", "arguments": {"a": "1", "b": ["x"]}})")) == "0.5");
  CHECK(value(tagged(R"({"name": "f", "arguments": {"a": 1, "b": ["x"], "c": 0}})")) == "0.5");
  CHECK(value(tagged(R"({"name": "f"})")) == "0.5");
  CHECK(value(tagged(R"({"name": "g", "arguments": {"a": 1, "b": ["x"]}})")) == "0");
  CHECK(value("I would call f.") == "0");
}

TEST_CASE("calls are read in the forms that models write") {
  CHECK(value(kWanted) == "1");
  CHECK(value("[" + std::string(kWanted) + "]") == "1");
  CHECK(value("Let me see.\n" + tagged(kWanted) + "\n") == "1");
  CHECK(value(tagged(R"({"name": "f", "parameters": {"a": 1, "b": ["x"]}})")) == "1");
  CHECK(value(tagged(R"({"name": "f", "arguments": "{\"a\": 1, \"b\": [\"x\"]}"})")) == "1");
  CHECK(value(tagged(R"({"type": "function", "function": {"name": "f", "arguments":
                         "{\"a\": 1, \"b\": [\"x\"]}"}})")) == "1");
  CHECK(value(tagged(R"({"name": "f", "arguments": {}})"), R"({"name": "f"})") == "1");
}

TEST_CASE("a broken call is none") {
  CHECK(value("<tool_call>" + std::string(kWanted)) == "0");
  CHECK(value(tagged("{name: f}")) == "0");
  CHECK(value(tagged(kWanted) + tagged("{")) == "0");
  CHECK(value("Sure: " + std::string(kWanted)) == "0");
  CHECK(value(tagged(R"({"name": "f", "arguments": [1]})")) == "0");
  CHECK(value(tagged(R"({"name": "f", "arguments": {"a": 1, "a": 1, "b": ["x"]}})")) == "0");
  CHECK(value(tagged(R"({"name": 1})")) == "0");
  CHECK(value(tagged(R"({"name": "f", "arguments": {}, "parameters": {}})")) == "0");
  CHECK(ToolCall{}(sample_of("<tool_call>{}", kWanted)).reason == "a call that does not end");
}

TEST_CASE("several calls are as many as the record's, in its order") {
  const std::string two = R"([{"name": "f", "arguments": {"a": 1}}, {"name": "g"}])";
  const std::string f = R"({"name": "f", "arguments": {"a": 1}})", g = R"({"name": "g"})";
  CHECK(value(tagged(f) + tagged(g), two) == "1");
  CHECK(value(two, two) == "1");
  CHECK(value(tagged(g) + tagged(f), two) == "0");
  CHECK(value(tagged(f), two) == "0");
  CHECK(value(tagged(f) + tagged(g) + tagged(g), two) == "0");
  CHECK(value(tagged(R"({"name": "f", "arguments": {"a": 3}})") + tagged(g), two) == "0.5");
  CHECK(ToolCall{}(sample_of(tagged(f), two)).reason == "expected 2 calls, got 1");
}

TEST_CASE("the last message's calls come before the text") {
  Sample sample = sample_of("no call here", kWanted);
  sample.messages = std::make_shared<const Json>(Json::parse(R"([{"role": "user", "content": "?"},
      {"role": "assistant", "tool_calls": [{"type": "function", "function":
        {"name": "f", "arguments": {"b": ["x"], "a": 1}}}]}])"));
  CHECK(value_of(ToolCall{}(sample)) == "1");
  sample.messages =
      std::make_shared<const Json>(Json::parse(R"([{"role": "assistant", "tool_calls": []}])"));
  CHECK(value_of(ToolCall{}(sample)) == "0");
  sample.completion = tagged(kWanted);
  CHECK(value_of(ToolCall{}(sample)) == "1");
  sample.messages = std::make_shared<const Json>(Json::parse(R"([{"role": 1, "tool_calls": 1}])"));
  CHECK(value_of(ToolCall{}(sample)) == "1");
}

TEST_CASE("the record's call stands in its answer or in Training Hub's columns") {
  Sample sample = sample_of(tagged(kWanted));
  CHECK(value_of(ToolCall{}(sample)) == "n/a");
  sample.record = std::make_shared<const Json>(
      Json::parse(R"({"target_tool_name": "f", "target_arguments": "{\"a\":1,\"b\":[\"x\"]}"})"));
  CHECK(value_of(ToolCall{}(sample)) == "1");
  sample.record = std::make_shared<const Json>(Json::parse(R"({"target_tool_name": "f"})"));
  CHECK(value_of(ToolCall{}(sample)) == "0.5");
  CHECK(value(tagged(kWanted), "f(1)") == "n/a");
  CHECK_NOTHROW(ToolCall{}.check_answer(kWanted));
  CHECK_THROWS_WITH(ToolCall{}.check_answer("f(1)"),
                    Catch::Contains("expected the JSON of a tool call as answer, got 'f(1)': "
                                    "expected JSON, line 1") &&
                        Catch::Contains("; hint: {\"name\": \"f\", \"arguments\": {\"a\": 1}}"));
  CHECK_THROWS_WITH(ToolCall{}.check_answer("[]"), Catch::Contains("a list of no calls"));
}

TEST_CASE("ToolCall passes over thoughts by option") {
  const std::string text = "<think>" + tagged(R"({"name": "g"})") + "</think>" + tagged(kWanted);
  CHECK(value(text) == "0");
  CHECK(value_of(ToolCall{.after_think = true}(sample_of(text, kWanted))) == "1");
  CHECK(value_of(ToolCall{.after_think = true}(sample_of(tagged(kWanted), kWanted))) == "0");
}
