// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/from_json.hpp"

#include <nlohmann/json.hpp>

#include "posttrain/jinja/print.hpp"
#include "support/catch.hpp"

using namespace posttrain::text::jinja;
using posttrain::Json;

TEST_CASE("JSON becomes template values, keys in their order") {
  const Json json = Json::parse(R"({"b": [1, 2.0, true, null, "x"], "a": {}})");
  CHECK(print(from_json(json)) == "{'b': [1, 2.0, True, None, 'x'], 'a': {}}");
  CHECK(from_json(9223372036854775807ULL).integer() == 9223372036854775807LL);
}

TEST_CASE("JSON that template values cannot hold is an error") {
  CHECK_THROWS_WITH(from_json(9223372036854775808ULL),
                    Catch::Contains("expected integers of 64 bits"));
  CHECK_THROWS_WITH(from_json(Json::binary({'1', '0'}, posttrain::kWideInteger)),
                    Catch::Contains("expected integers of 64 bits in a template's data, got 10"));
  Json deep = 1;
  for (int i = 0; i < 502; ++i) deep = Json::array({std::move(deep)});
  CHECK_THROWS_WITH(from_json(deep), Catch::Contains("more than 500 levels"));
}
