// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/vocabulary.hpp"

#include <nlohmann/json.hpp>

#include "support/catch.hpp"

using posttrain::text::Vocabulary;

TEST_CASE("A vocabulary maps tokens to ids and back, with gaps") {
  const Vocabulary words(nlohmann::json{{"vocab", {{"a", 0}, {"long", 3}}}});
  CHECK(words.id("long") == 3);
  CHECK_FALSE(words.id("b"));
  CHECK(*words.token(0) == "a");
  CHECK(words.token(1) == nullptr);
  CHECK(words.token(-1) == nullptr);
  CHECK(words.token(4) == nullptr);
  CHECK(words.size() == 4);
  CHECK(words.longest() == 4);
  CHECK(Vocabulary(std::vector<std::string>{"x", "y", "x"}).id("x") == 2);
}

TEST_CASE("Ids that are taken, negative or huge are errors") {
  const auto read = [](const char* vocab) {
    return Vocabulary(nlohmann::json{{"vocab", nlohmann::json::parse(vocab)}}).size();
  };
  CHECK_THROWS_WITH(read(R"({"a": 1, "b": 1})"), Catch::Contains("id 1 stands for 'a' and 'b'"));
  CHECK_THROWS_WITH(read(R"({"a": -1})"), Catch::Contains("an integer from 0"));
  CHECK_THROWS_WITH(read(R"({"a": 2000000000})"), Catch::Contains("an integer from 0"));
  CHECK_THROWS_WITH(read("[]"), Catch::Contains("expected model.vocab to be an object"));
}
