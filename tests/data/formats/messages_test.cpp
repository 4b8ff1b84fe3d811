// SPDX-License-Identifier: Apache-2.0
#include "posttrain/data/formats/messages.hpp"

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain::data;
using namespace posttrain::data::detail;
using posttrain::Json;
using posttrain::test::contains;
using posttrain::test::error_of;

namespace {

Json parse(const char* text) { return Json::parse(text); }

}  // namespace

TEST_CASE("a message keeps its own spelling or gets the usual one") {
  const Json own = parse(R"({"role": "user", "content": "x", "weight": 0})");
  CHECK(any_message(own) == own);
  CHECK(any_message(parse(R"({"from": "bard", "value": "x"})")) ==
        parse(R"({"role": "assistant", "content": "x"})"));
  CHECK(any_message(parse(R"({"from": "ipython", "content": "x"})"))["role"] == "tool");
  // A part of a message may call its text "value".
  CHECK(any_message(parse(R"({"role": "user", "content": [{"type": "text", "value": "x"}]})")) ==
        parse(R"({"role": "user", "content": [{"type": "text", "text": "x"}]})"));
  CHECK(contains(error_of([] { any_message(parse(R"({"from": "human"})")); }),
                 "expected a message with role and content, or from and value, got the keys from"));
  CHECK(contains(error_of([] { any_message(parse("3")); }),
                 "expected a message to be an object, got number"));
}

TEST_CASE("calls of tools are JSON, one or a list") {
  const char* call = R"({"name": "f", "arguments": {"a": 1}})";
  const Json one = tool_calls(call), two = tool_calls("[" + std::string(call) + "," + call + "]");
  REQUIRE(two.size() == 2);
  CHECK(one[0] == two[1]);
  CHECK(one[0]["function"]["name"] == "f");
  CHECK(contains(error_of([] { tool_calls("f of x"); }), "to be JSON"));
  CHECK(contains(error_of([] { tool_calls("[]"); }), "to be an object or a list of them"));
}

TEST_CASE("a message of a list is named by its place where it is malformed") {
  CHECK(any_messages(parse(R"({"role": "user", "content": "x"})"), "messages").size() == 1);
  CHECK(contains(error_of([] { any_messages(parse("[]"), "messages"); }),
                 "expected \"messages\" to be an array of at least one message"));
  CHECK(contains(error_of([] {
                   any_messages(parse(R"([{"role": "user", "content": "x"}, {"role": ""}])"), "m");
                 }),
                 "message 1 of 'm': expected an object with a \"role\""));
}

TEST_CASE("tools may be written as JSON text, and nothing is no tools") {
  const TemplateInputs inputs =
      template_inputs(parse(R"({"tools": "[{\"name\": \"f\"}]", "documents": " ",
                "chat_template_kwargs": {"enable_thinking": false}})"));
  CHECK(inputs.tools == parse(R"([{"name": "f"}])"));
  CHECK(inputs.documents.is_null());
  CHECK(inputs.chat_template_kwargs["enable_thinking"] == false);
  CHECK(contains(error_of([] { template_inputs(parse(R"({"tools": "none"})")); }),
                 "expected \"tools\" to be JSON, got another text"));
  CHECK(contains(error_of([] { template_inputs(parse(R"({"tools": {}})")); }),
                 "expected \"tools\" to be an array, got object"));
}

TEST_CASE("a system message goes first, unless there is one or it is empty") {
  const auto roles = [](const char* sample) {
    std::string all;
    for (const Json& message : prompt_messages(parse(sample))) {
      all += message["role"].get<std::string>() + " ";
    }
    return all;
  };
  CHECK(roles(R"({"question": "q", "system": "s"})") == "system user ");
  CHECK(roles(R"({"problem": "q", "system_prompt": ""})") == "user ");
  CHECK(roles(R"({"messages": [{"role": "system", "content": "own"}], "system": "s"})") ==
        "system ");
  CHECK(roles(R"({"instruction": "i", "history": [["q", "a"]]})") == "user assistant user ");
  CHECK(prompt_messages(parse(R"({"text": "x"})")).is_null());
  CHECK(
      contains(error_of([] { prompt_messages(parse(R"({"instruction": "i", "history": [1]})")); }),
               "expected 'history' to be a list of [question, answer]"));
}
