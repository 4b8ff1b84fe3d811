// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/fields.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/catch.hpp"

using posttrain::text::Fields;

TEST_CASE("Values are read under their keys, null and missing ones have a default") {
  const nlohmann::json object = nlohmann::json::parse(
      R"({"a": "x", "b": true, "c": 3, "d": null, "e": [{"f": "y"}, {"f": "z"}]})");
  const Fields fields(object, "decoder");
  CHECK(fields.text("a") == "x");
  CHECK(fields.text("d", "o") == "o");
  CHECK(fields.flag("b", false));
  CHECK(fields.flag("none", true));
  CHECK(fields.integer("c", 0, 1) == 3);
  CHECK(fields.integer("d", 7, 1) == 7);
  std::vector<std::string> seen;
  fields.each("e", [&](const nlohmann::json& entry, const std::string& place) {
    seen.push_back(place + "=" + Fields(entry, place).text("f"));
  });
  CHECK(seen == std::vector<std::string>{"decoder.e[0]=y", "decoder.e[1]=z"});
}

TEST_CASE("Errors name the file, the path of keys and what was expected") {
  const nlohmann::json object = nlohmann::json::parse(R"({"a": 1, "b": {"c": []}})");
  const Fields fields(object, "normalizer.normalizers[1]");
  CHECK_THROWS_WITH(fields.text("a"),
                    "tokenizer.json: normalizer.normalizers[1]: expected a to be a string, got 1");
  CHECK_THROWS_WITH(
      fields.text("x"),
      "tokenizer.json: normalizer.normalizers[1]: expected a value under \"x\", found no such key");
  CHECK_THROWS_WITH(fields.flag("a", false), Catch::Contains("expected a to be true or false"));
  CHECK_THROWS_WITH(fields.integer("a", 0, 2), Catch::Contains("an integer of at least 2"));
  CHECK_THROWS_WITH(
      fields.fields("b").fields("c"),
      "tokenizer.json: expected normalizer.normalizers[1].b.c to be an object, got []");
  CHECK_THROWS_WITH(fields.each("b", [](const auto&, const auto&) {}),
                    Catch::Contains("expected b to be a list"));
}
