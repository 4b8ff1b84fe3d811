// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/conversation.hpp"

#include <nlohmann/json.hpp>

#include "support/catch.hpp"

using namespace posttrain::text;

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
