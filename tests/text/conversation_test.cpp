// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/conversation.hpp"

#include <nlohmann/json.hpp>

#include "support/catch.hpp"

using namespace posttrain::text;
using posttrain::Json;

TEST_CASE("A message has a role, or none") {
  CHECK(role({{"role", "user"}}) == "user");
  CHECK(role({{"role", 1}}).empty());
  CHECK(role("user").empty());
  CHECK(is_assistant({{"role", "assistant"}}));
  CHECK_FALSE(is_assistant({{"role", "user"}}));
}

TEST_CASE("Messages are at least one, each with a role") {
  const Json good = Json::parse(R"([{"role": "user"}, {"role": "assistant"}])");
  CHECK_NOTHROW(check_messages(good));
  CHECK(first_messages(good, 1) == Json::parse(R"([{"role": "user"}])"));
  CHECK(first_messages(good, 0) == Json::array());
  CHECK_THROWS_WITH(check_messages(Json::array()), Catch::Contains("at least one message"));
  CHECK_THROWS_WITH(check_messages("x"), Catch::Contains("at least one message"));
  CHECK_THROWS_WITH(check_messages(Json::parse(R"([{"role": "user"}, {}])")),
                    Catch::Contains("message 1: expected an object with a \"role\""));
}

TEST_CASE("a conversation has what its sample says, each of the type that it must have") {
  const Json messages = {{{"role", "user"}, {"content", "hi"}}};
  const auto conversation =
      posttrain::text::Conversation::from({{"messages", messages},
                                           {"tools", nullptr},
                                           {"documents", {{{"title", "a"}}}},
                                           {"chat_template_kwargs", {{"enable_thinking", false}}},
                                           {"unmask", true}});
  CHECK(conversation.messages == messages);
  CHECK(conversation.inputs.tools.is_null());
  CHECK(conversation.unmask);
  const Json variables = conversation.inputs.variables();
  CHECK(variables.at("documents").size() == 1);
  CHECK(variables.at("enable_thinking") == false);
  CHECK(posttrain::text::Conversation(messages).inputs.variables() == Json::object());
  const auto from = [&](const char* key, const Json& value) {
    Json sample{{"messages", messages}};
    sample[key] = value;
    return posttrain::text::Conversation::from(sample);
  };
  CHECK_THROWS_WITH(from("tools", "x"), "expected \"tools\" to be an array, got string");
  CHECK_THROWS_WITH(from("documents", 1), "expected \"documents\" to be an array, got number");
  CHECK_THROWS_WITH(from("chat_template_kwargs", Json::array()),
                    "expected \"chat_template_kwargs\" to be an object, got array");
  CHECK_THROWS_WITH(posttrain::text::Conversation::from(Json::array()),
                    Catch::Contains("expected a sample with \"messages\""));
}
