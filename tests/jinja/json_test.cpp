// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/json.hpp"

#include <cmath>
#include <string>

#include "support/catch.hpp"

using namespace posttrain::text::jinja;

namespace {

std::string dumped(const Value& value, const JsonOptions& options = {}) {
  std::string out;
  write_json(value, options, 0, out);
  return out;
}

}  // namespace

TEST_CASE("write_json is json.dumps") {
  Dict dict;
  dict.set("b", List{1, 1.0, true, nullptr, "é\"\\\n\x01"});
  dict.set(1, Value(List{}, Sequence::kTuple));
  dict.set(nullptr, Dict{});
  CHECK(dumped(dict) ==
        "{\"b\": [1, 1.0, true, null, \"é\\\"\\\\\\n\\u0001\"], \"1\": [], \"null\": {}}");
  CHECK(dumped(List{NAN, INFINITY, -INFINITY}) == "[NaN, Infinity, -Infinity]");
}

TEST_CASE("write_json escapes, sorts and indents on request") {
  CHECK(dumped("é😀", {.ensure_ascii = true}) == "\"\\u00e9\\ud83d\\ude00\"");
  Dict dict;
  dict.set("b", List{1});
  dict.set("a", 2);
  CHECK(dumped(dict, {.sort_keys = true}) == "{\"a\": 2, \"b\": [1]}");
  CHECK(dumped(dict, {.pretty = true, .indent = "  ", .item_separator = ","}) ==
        "{\n  \"b\": [\n    1\n  ],\n  \"a\": 2\n}");
}

TEST_CASE("write_json refuses what JSON has no word for") {
  CHECK_THROWS_WITH(dumped(Value()), Catch::Contains("type undefined is not JSON"));
  CHECK_THROWS_WITH(dumped(Value(List{}, Sequence::kGenerator)), Catch::Contains("is not JSON"));
  Dict dict;
  dict.set(Value(List{1}, Sequence::kTuple), 1);
  CHECK_THROWS_WITH(dumped(dict), Catch::Contains("keys must be strings or numbers"));
}
