// SPDX-License-Identifier: Apache-2.0
#include "posttrain/models/families/reader.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "support/catch.hpp"
#include "support/messages.hpp"

using namespace posttrain::test;
using posttrain::Json;
using posttrain::models::ConfigReader;

TEST_CASE("an absent key and null differ only where a function says so") {
  const Json object = {{"null", nullptr}, {"seven", 7}};
  ConfigReader reader(object, "config.json");
  CHECK(reader.integer("seven", 1) == 7);
  CHECK(reader.integer("absent", 1) == 1);
  CHECK(reader.integer("null", 1) == 1);
  CHECK(reader.optional_integer("seven", 1) == 7);
  CHECK(reader.optional_integer("absent", 1) == 1);
  CHECK(reader.optional_integer("null", 1) == std::nullopt);
  CHECK(reader.optional_number("absent", 0.5) == 0.5);
  CHECK(reader.optional_number("null", 0.5) == std::nullopt);
  CHECK(reader.has("null"));
  CHECK(reader.find("null") == nullptr);
  CHECK_FALSE(reader.has("absent"));
}

TEST_CASE("a value of another type is an error that shows it") {
  const Json object = {{"half", 0.5}, {"zero", 0}, {"one", 1}, {"list", {1}}, {"text", "on"}};
  ConfigReader reader(object, "config.json");
  CHECK(contains(error_of([&] { reader.integer("half", 1); }), "expected half to be an integer"));
  CHECK(contains(error_of([&] { reader.integer("zero", 1); }), "from 1 to 2147483648, got 0"));
  CHECK(reader.integer("zero", 1, 0) == 0);
  CHECK(error_of([&] { reader.number("text", 1.0); }) ==
        "config.json: expected text to be a number, got \"on\"");
  CHECK(error_of([&] { reader.positive("zero", 1.0); }) == "config.json: expected zero > 0, got 0");
  CHECK(error_of([&] { reader.flag("one", true); }) ==
        "config.json: expected one to be true or false, got 1");
  CHECK(error_of([&] { reader.text("one", ""); }) ==
        "config.json: expected one to be a string, got 1");
  CHECK(error_of([&] { reader.array("text"); }) ==
        "config.json: expected text to be a list, got \"on\"");
  CHECK(error_of([&] { reader.dropout({"one"}); }) == "config.json: expected 0 <= one < 1, got 1");
  CHECK(error_of([&] { reader.only("list", Json::array({2})); }) ==
        "config.json: list = [1] is not supported, only [2]");
}

TEST_CASE("every key is read, known to be harmless, or an error") {
  const auto left = [](const Json& object) {
    ConfigReader reader(object, "config.json");
    reader.integer("read", 1);
    reader.ignore({"ignored"});
    return error_of([&] { reader.finish(); });
  };
  CHECK(left({{"read", 1}, {"ignored", 2}, {"torch_dtype", "float32"}, {"_anything", 3}}).empty());
  CHECK(left({{"null", nullptr}, {"empty", Json::object()}}).empty());
  CHECK(left({{"use_trick", false}, {"is_causal", false}}).empty());
  CHECK(left({{"tie_encoder_decoder", false},
              {"gradient_checkpointing", true},
              {"n_ctx", 64},
              {"unk_token_id", 0},
              {"cls_token_id", 1},
              {"mask_token_id", 2},
              {"pruned_heads", Json::object()}})
            .empty());
  CHECK(contains(left({{"tie_encoder_decoder", true}}), "tie_encoder_decoder"));
  CHECK(contains(left({{"use_trick", true}}), "key \"use_trick\" = true is not understood"));
  CHECK(contains(left({{"trick", false}}), "key \"trick\" = false"));
  CHECK(contains(left({{"trick", {{"a", 1}}}}), "might change the computation; hint: remove it"));
}
