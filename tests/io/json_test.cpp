// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/json.hpp"

#include <cmath>
#include <limits>

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::error_of;

TEST_CASE("an integer is read as it stands, or refused") {
  const auto read = [](const char* text) {
    return io::integer_from(Json::parse(text), "a.json", "rank", 1, 1000);
  };
  CHECK(read("1") == 1);
  CHECK(read("1000") == 1000);
  for (const char* text :
       {"0", "-1", "1001", "2.5", "3.0", "8.88889e+27", "18446744073709551615", "\"3\"", "null"}) {
    INFO(text);
    CHECK(error_of([&] { read(text); }) ==
          fmt::format("a.json: expected rank to be an integer from 1 to 1000, got {}",
                      Json::parse(text).dump()));
  }
  const Json object = Json::parse(R"({"a": 7, "b": null, "c": 0.5})");
  CHECK(io::integer_under(object, "a", 5, "a.json", 1) == 7);
  CHECK(io::integer_under(object, "b", 5, "a.json", 1) == 5);
  CHECK(io::integer_under(object, "missing", 5, "a.json", 1) == 5);
  CHECK(error_of([&] { io::integer_under(object, "c", 5, "a.json", 1); }) ==
        "a.json: expected c to be an integer of at least 1, got 0.5");
}

TEST_CASE(
    "a value under a key is of its type, absent or null, or an error that names file and key") {
  const Json object = Json::parse(
      R"({"text": "a", "number": 1.5, "whole": 3, "flag": true, "list": ["a", "b"],
          "object": {"x": 1}, "none": null})");
  CHECK(io::text_under(object, "text", "-", "f") == "a");
  CHECK(io::number_under(object, "number", 0.0, "f") == 1.5);
  CHECK(io::number_under(object, "whole", 0.0, "f") == 3.0);
  CHECK(io::bool_under(object, "flag", false, "f"));
  CHECK(io::texts_under(object, "list", "f") == std::vector<std::string>{"a", "b"});
  CHECK(io::object_under(object, "object", "f") == &object["object"]);
  CHECK(io::array_under(object, "list", "f") == &object["list"]);
  for (const char* key : {"none", "absent"}) {
    CHECK(io::text_under(object, key, "-", "f") == "-");
    CHECK(io::number_under(object, key, 2.5, "f") == 2.5);
    CHECK(io::bool_under(object, key, true, "f"));
    CHECK(io::texts_under(object, key, "f").empty());
    CHECK(io::object_under(object, key, "f") == nullptr);
    CHECK(io::array_under(object, key, "f") == nullptr);
  }
  CHECK(error_of([&] { io::required_under(object, "none", "f"); }) ==
        "f: expected a value under \"none\", found null");
  CHECK(error_of([&] { io::required_under(object, "absent", "f"); }) ==
        "f: expected a value under \"absent\", found no such key");

  const auto refusals = [&](const char* key) {
    return std::vector<std::string>{error_of([&] { io::text_under(object, key, "", "f"); }),
                                    error_of([&] { io::number_under(object, key, 0.0, "f"); }),
                                    error_of([&] { io::bool_under(object, key, false, "f"); }),
                                    error_of([&] { io::object_under(object, key, "f"); }),
                                    error_of([&] { io::array_under(object, key, "f"); })};
  };
  const std::vector<std::string> expected{"a string", "a number", "true or false", "an object",
                                          "a list"};
  const std::vector<std::pair<const char*, std::size_t>> own{
      {"text", 0}, {"number", 1}, {"flag", 2}, {"object", 3}, {"list", 4}};
  for (const auto& [key, type] : own) {
    const std::vector<std::string> found = refusals(key);
    for (std::size_t i = 0; i < found.size(); ++i) {
      CHECK(found[i] == (i == type ? ""
                                   : fmt::format("f: expected {} to be {}, got {}", key,
                                                 expected[i], io::shown(object[key]))));
    }
  }
  CHECK(error_of([] { io::texts_under(Json::parse(R"({"a": ["x", 1]})"), "a", "f"); }) ==
        "f: expected a[1] to be a string, got 1");
  CHECK(error_of([] { io::number_under(io::parse_json(R"({"a": NaN})", "f"), "a", 0.0, "f"); }) ==
        "f: expected a to be a number, got NaN");
}

TEST_CASE("token ids under a key are one, several or none") {
  const auto read = [](const char* text) {
    return io::token_ids_under(Json::parse(text), "eos_token_id", "config.json");
  };
  CHECK(read("{}").empty());
  CHECK(read(R"({"eos_token_id": null})").empty());
  CHECK(read(R"({"eos_token_id": -1})").empty());
  CHECK(read(R"({"eos_token_id": 2})") == TokenIds{2});
  CHECK(read(R"({"eos_token_id": [2, 5]})") == TokenIds{2, 5});
  CHECK(error_of([&] { read(R"({"eos_token_id": [2, 4294967298]})"); }) ==
        "config.json: expected eos_token_id to be an integer from 0 to 2147483647, got 4294967298");
}

TEST_CASE("an object that has a key twice is refused, at any depth", "[io][json]") {
  const std::string text =
      R"({"b": [1, -2, 0.5, {"x": null, "y": true}], "a": {"b": "text", "c": []}, "": {}})";
  CHECK(io::parse_json_without_duplicates(text, "f").dump() == Json::parse(text).dump());
  CHECK(io::parse_json_without_duplicates("7", "f") == 7);
  const auto refusal = [](const char* json) {
    return error_of([&] { io::parse_json_without_duplicates(json, "f"); });
  };
  CHECK(refusal(R"({"a": 1, "a": 1})") == "f: the key 'a' occurs twice in one object");
  CHECK(refusal(R"({"a": [{"b": 1, "c": 2, "b": 3}]})") ==
        "f: the key 'b' occurs twice in one object");
  CHECK(refusal(R"({"a": {"a": 1}})").empty());
  CHECK(refusal("[1, 2").starts_with("f: expected JSON, line 1, column"));
}

TEST_CASE("an object of very many keys is read in time that grows with them", "[io][json]") {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += fmt::format("\"tensor.{:06}\": 0,", i);
  text.back() = '}';
  CHECK(io::parse_json_without_duplicates(text, "f").size() == 200'000);
}

TEST_CASE("NaN and Infinity are numbers outside of strings, as in Python", "[io][json]") {
  const Json read =
      io::parse_json(R"({"a": NaN, "b": [-Infinity, Infinity], "c": "NaN, \"Infinity"})", "f");
  CHECK(std::isnan(read["a"].get<double>()));
  CHECK(read["b"][0].get<double>() == -std::numeric_limits<double>::infinity());
  CHECK(read["b"][1].get<double>() == std::numeric_limits<double>::infinity());
  CHECK(read["c"] == "NaN, \"Infinity");
  CHECK(error_of([] { io::parse_json(R"({"a": NaNo})", "f"); }).starts_with("f: expected JSON"));
}

TEST_CASE("an integer beyond 64 bits keeps its digits and is no number", "[io][json]") {
  const Json read = io::parse_json(R"([2000000000000000000000, -9223372036854775809, 1e300])", "f");
  CHECK(io::shown(read[0]) == "2000000000000000000000");
  CHECK(io::shown(read[1]) == "-9223372036854775809");
  CHECK(read[2] == 1e300);
  CHECK(error_of([&] { io::integer_from(read[0], "f", "x", 0); }) ==
        "f: expected x to be an integer of at least 0, got 2000000000000000000000");
}

TEST_CASE("what is no JSON is told by line, column and text", "[io][json]") {
  const auto problem = [](std::string_view text) {
    std::string found;
    CHECK(io::try_parse_json(text, found) == std::nullopt);
    return found;
  };
  CHECK(problem("{\"a\": 1,\n \"b\" 2}") == "expected JSON, line 2, column 6: unexpected 2");
  CHECK(problem("{'a': 1}") ==
        "expected JSON, line 1, column 2: unexpected '; hint: JSON's strings stand in double "
        "quotes");
  CHECK(problem("{\"a\":") == "expected JSON, line 1, column 5: the text ends too early");
  CHECK(problem("") == "expected JSON, line 1, column 1: the text ends too early");
  CHECK(problem("\"a\nb\"") == "expected JSON, line 2, column 1: unexpected <0a>");
  CHECK(problem("[1e999]") ==
        "expected JSON, line 1, column 6: a number that a double cannot hold");
  CHECK(problem("\"\xff\"") == "expected JSON, line 1, column 2: the text is not UTF-8");
  CHECK(problem(std::string(100'000, '[')) == "expected JSON that nests at most 500 deep");
  CHECK(io::parse_json(std::string(500, '[') + std::string(500, ']'), "f").size() == 1);
}

TEST_CASE("of a key that an object has twice, the last value counts", "[io][json]") {
  CHECK(io::parse_json(R"({"a": 1, "b": 2, "a": 3})", "f").dump() == R"({"a":3,"b":2})");
  std::string many = "{";
  for (int i = 0; i < 50; ++i) many += fmt::format("\"{}\": {},", i % 40, i);
  many.back() = '}';
  const Json read = io::parse_json(many, "f");
  CHECK(read.size() == 40);
  CHECK(read["5"] == 45);
  CHECK(read["15"] == 15);
}
