// SPDX-License-Identifier: Apache-2.0
#include "posttrain/rewards/json_schema.hpp"

#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include "posttrain/rewards/verifier.hpp"
#include "rewards/samples.hpp"
#include "support/catch.hpp"
#include "support/timing.hpp"

using namespace posttrain;
using namespace posttrain::test;

static_assert(JudgesSample<JsonSchema> && !ChecksAnswers<JsonSchema>);

namespace {

/// "right", or the reason why a text is not of a schema.
std::string reason(const char* schema, const std::string& completion) {
  const Verdict verdict = JsonSchema{.schema = schema}(sample_of(completion));
  return verdict.value == 1.0 ? "right" : verdict.reason;
}

}  // namespace

TEST_CASE("each keyword accepts what it says and refuses the rest") {
  const std::vector<std::tuple<const char*, const char*, const char*>> cases{
      // schema, a value of it, a value that is not
      {R"({"type": "integer"})", "1.0", "1.5"},
      {R"({"type": "number"})", "1.5", "\"1\""},
      {R"({"type": ["string", "null"]})", "null", "1"},
      {R"({"type": "boolean"})", "true", "1"},
      {R"({"type": "array"})", "[]", "{}"},
      {R"({"type": "object"})", "{}", "[]"},
      {R"({"enum": [1, "a", [2]]})", "[2.0]", "\"b\""},
      {R"({"const": {"a": 1, "b": 2}})", R"({"b": 2, "a": 1.0})", R"({"a": 1})"},
      {R"({"minimum": 3})", "3", "2.999999999999999"},
      {R"({"maximum": 9007199254740992})", "9007199254740992", "9007199254740993"},
      {R"({"exclusiveMinimum": 3})", "3.1", "3"},
      {R"({"exclusiveMaximum": 3})", "2", "3.0"},
      {R"({"minLength": 2})", "\"éé\"", "\"é\""},
      {R"({"maxLength": 2})", "\"éé\"", "\"éée\""},
      {R"({"pattern": "^a+$"})", "\"aa\"", "\"aa\\n\""},
      {R"({"pattern": "b"})", "\"abc\"", "\"ac\""},
      {R"({"minItems": 1})", "[0]", "[]"},
      {R"({"maxItems": 1})", "[0]", "[0, 1]"},
      {R"({"uniqueItems": true})", "[1, \"1\", true]", "[1, 2, 1.0]"},
      {R"({"items": {"type": "string"}})", "[\"a\"]", "[\"a\", 1]"},
      {R"({"required": ["a"]})", R"({"a": null})", R"({"b": 1})"},
      {R"({"properties": {"a": {"type": "string"}}})", R"({"b": 1})", R"({"a": 1})"},
      {R"({"properties": {"a": true}, "additionalProperties": false})", R"({"a": 1})",
       R"({"a": 1, "b": 1})"},
      {R"({"additionalProperties": {"type": "string"}})", R"({"a": "1"})", R"({"a": 1})"},
      {R"({"allOf": [{"minimum": 1}, {"maximum": 3}]})", "2", "4"},
      {R"({"anyOf": [{"type": "string"}, {"minimum": 3}]})", "3", "2"},
      {R"({"oneOf": [{"minimum": 1}, {"minimum": 3}]})", "2", "4"},
      {R"({"not": {"type": "string"}})", "1", "\"a\""},
      {"true", "1", "{"},
      {R"({"minimum": 5, "minLength": 5, "minItems": 5, "required": ["a"]})", "null", "1"},
      {R"({"properties": {"a": {"items": {"type": "integer"}}}})", R"({"a": [1, 2]})",
       R"({"a": [1, "2"]})"},
  };
  for (const auto& [schema, right, wrong] : cases) {
    INFO(schema);
    CHECK(reason(schema, right) == "right");
    CHECK(reason(schema, wrong) != "right");
    CHECK_NOTHROW(JsonSchema{.schema = schema}.validate());
  }
  CHECK(reason("false", "1") == "at /: expected nothing here");
}

TEST_CASE("the reason says where and what was expected") {
  CHECK(reason(R"({"properties": {"a/b": {"items": {"type": "integer"}}}})",
               R"({"a/b": [1, "2"]})") == "at /a~1b/1: expected type \"integer\", got \"2\"");
  CHECK(reason(R"({"required": ["name"]})", "{}") == "at /: expected a key \"name\", found none");
  CHECK(reason(R"({"additionalProperties": false})", R"({"x": 1})") ==
        "at /: expected no key \"x\"");
  CHECK(reason(R"({"minimum": 3})", "2") == "at /: expected minimum 3, got 2");
  CHECK(reason(R"({"oneOf": [{"minimum": 1}, {"minimum": 3}]})", "4") ==
        "at /: expected exactly one of 2 schemas to hold, 2 do");
  CHECK(reason("true", "{\"a\": }") == "expected JSON, line 1, column 7: unexpected }");
}

TEST_CASE("the whole completion is JSON, or the last fenced block by option") {
  CHECK(reason("true", " {\"a\": 1}\n") == "right");
  CHECK(reason("true", "Here: {\"a\": 1}") != "right");
  CHECK(reason("true", "{\"a\": 1, \"a\": 2}") != "right");
  CHECK(reason("true", "NaN") == "expected JSON, found NaN or Infinity");
  const JsonSchema fenced{.schema = R"({"type": "integer"})", .fenced = true};
  CHECK(value_of(fenced(sample_of("So:\n```json\n1\n```\nDone."))) == "1");
  CHECK(value_of(fenced(sample_of("1"))) == "0");
  const JsonSchema behind{.schema = "true", .after_think = true};
  CHECK(value_of(behind(sample_of("<think>hm</think> 1"))) == "1");
  CHECK(value_of(behind(sample_of("1"))) == "0");
}

TEST_CASE("a schema may stand in a column of the record") {
  const JsonSchema from_record{.column = "schema"};
  Sample sample = sample_of("1");
  CHECK(value_of(from_record(sample)) == "n/a");
  sample.record = std::make_shared<const Json>(Json{{"schema", {{"type", "string"}}}});
  CHECK(value_of(from_record(sample)) == "0");
  sample.record = std::make_shared<const Json>(Json{{"schema", R"({"type": "integer"})"}});
  CHECK(value_of(from_record(sample)) == "1");
  sample.record = std::make_shared<const Json>(Json{{"schema", {{"typ", "string"}}}});
  CHECK_THROWS_WITH(from_record(sample), Catch::Contains("got \"typ\""));
}

TEST_CASE("a keyword beyond the subset is an error, never ignored") {
  const auto refused = [](const char* schema) { JsonSchema{.schema = schema}.validate(); };
  CHECK_THROWS_WITH(refused(R"({"properties": {"a": {"minimun": 1}}})"),
                    "schema/properties/a: expected a keyword of the subset, got \"minimun\"; hint: "
                    "did you mean \"minimum\"?");
  CHECK_THROWS_WITH(refused(R"({"$ref": "#"})"),
                    "schema: expected a keyword of the subset, got \"$ref\"; hint: "
                    "docs/verifiers.md#jsonschema lists them");
  for (const char* schema :
       {"1", R"({"type": "float"})", R"({"type": 1})", R"({"required": "a"})",
        R"({"required": [1]})", R"({"minLength": -1})", R"({"minLength": 1.5})",
        R"({"minimum": "1"})", R"({"uniqueItems": 1})", R"({"enum": 1})", R"({"pattern": "("})",
        R"({"items": [1]})", R"({"anyOf": []})", R"({"not": 1})", R"({"properties": []})",
        R"({"additionalProperties": "no"})"}) {
    INFO(schema);
    CHECK_THROWS_AS(refused(schema), Error);
  }
  CHECK_NOTHROW(refused(R"({"title": "t", "description": "d", "default": 1, "$comment": "c"})"));
  CHECK_THROWS_WITH(refused("{"), Catch::Contains("schema: expected JSON, line 1"));
  CHECK_THROWS_WITH(JsonSchema{}.validate(),
                    "posttrain: JsonSchema needs either a schema or the column that holds it");
  CHECK_THROWS_AS((JsonSchema{.schema = "true", .column = "a"}.validate()), Error);
}

TEST_CASE("long lists of different items take little more than their length") {
  CHECK(is_linear(
      2'000,
      [](std::size_t size) {
        std::string text = "[0";
        for (std::size_t i = 1; i < size; ++i) text += "," + std::to_string(i);
        return text + "]";
      },
      [](const std::string& text) { (void)reason(R"({"uniqueItems": true})", text); }));
}
