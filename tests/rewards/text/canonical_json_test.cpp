// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/text/canonical_json.hpp"

#include <string>

#include "support/catch.hpp"

using namespace posttrain;
using namespace posttrain::rewards;

namespace {

/// Whether two texts are JSON of one meaning.
bool same(const std::string& a, const std::string& b) {
  std::string problem;
  const auto x = strict_json(a, problem), y = strict_json(b, problem);
  INFO(a << " " << b << " " << problem);
  REQUIRE((x && y));
  return canonical_json(*x) == canonical_json(*y);
}

}  // namespace

TEST_CASE("values are equal by meaning") {
  CHECK(same("1", "1.0"));
  CHECK(same("1e2", "100"));
  CHECK(same("0.1", "1e-1"));
  CHECK(same("-0.0", "0"));
  CHECK(same("100000000000000000000", "1e20"));
  CHECK(
      same(R"({"a": 1, "b": [1, {"c": 2, "d": null}]})", R"({"b":[1.0,{"d":null,"c":2}],"a":1})"));
  CHECK(same(R"("\u00e9")", "\"é\""));
  CHECK_FALSE(same("1", "\"1\""));
  CHECK_FALSE(same("1", "true"));
  CHECK_FALSE(same("[1,2]", "[2,1]"));
  CHECK_FALSE(same("[1,[2]]", "[1,2]"));
  CHECK_FALSE(same("{}", "[]"));
  CHECK_FALSE(same("null", "false"));
  CHECK_FALSE(same("9007199254740993", "9007199254740992"));
  CHECK_FALSE(same("100000000000000000001", "100000000000000000000"));
  CHECK_FALSE(same(R"({"a,b": 1})", R"({"a": 1, "b": 1})"));
}

TEST_CASE("what is no strict JSON is none, with the problem") {
  for (const char* text : {"", "{", "{'a': 1}", "NaN", "[Infinity]", R"({"a": 1, "a": 2})", "1 2",
                           "{\"a\": 1,}", "\xFF", "01", "// c\n1"}) {
    std::string problem;
    INFO(text);
    CHECK_FALSE(strict_json(text, problem).has_value());
    CHECK_FALSE(problem.empty());
  }
  std::string problem;
  CHECK_FALSE(strict_json(std::string(100'000, '['), problem).has_value());
}
