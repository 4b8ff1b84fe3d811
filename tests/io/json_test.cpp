// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/json.hpp"

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::error_of;

TEST_CASE("an integer is read as it stands, or refused") {
  const auto read = [](const char* text) {
    return io::integer_from(io::Json::parse(text), "a.json", "rank", 1, 1000);
  };
  CHECK(read("1") == 1);
  CHECK(read("1000") == 1000);
  for (const char* text :
       {"0", "-1", "1001", "2.5", "3.0", "8.88889e+27", "18446744073709551615", "\"3\"", "null"}) {
    INFO(text);
    CHECK(error_of([&] { read(text); }) ==
          fmt::format("a.json: expected rank to be an integer from 1 to 1000, got {}",
                      io::Json::parse(text).dump()));
  }
  const io::Json object = io::Json::parse(R"({"a": 7, "b": null, "c": 0.5})");
  CHECK(io::integer_under(object, "a", 5, "a.json", 1) == 7);
  CHECK(io::integer_under(object, "b", 5, "a.json", 1) == 5);
  CHECK(io::integer_under(object, "missing", 5, "a.json", 1) == 5);
  CHECK(error_of([&] { io::integer_under(object, "c", 5, "a.json", 1); }) ==
        "a.json: expected c to be an integer of at least 1, got 0.5");
}

TEST_CASE("token ids under a key are one, several or none") {
  const auto read = [](const char* text) {
    return io::token_ids_under(io::Json::parse(text), "eos_token_id", "config.json");
  };
  CHECK(read("{}").empty());
  CHECK(read(R"({"eos_token_id": null})").empty());
  CHECK(read(R"({"eos_token_id": -1})").empty());
  CHECK(read(R"({"eos_token_id": 2})") == TokenIds{2});
  CHECK(read(R"({"eos_token_id": [2, 5]})") == TokenIds{2, 5});
  CHECK(error_of([&] { read(R"({"eos_token_id": [2, 4294967298]})"); }) ==
        "config.json: expected eos_token_id to be an integer from 0 to 2147483647, got 4294967298");
}
