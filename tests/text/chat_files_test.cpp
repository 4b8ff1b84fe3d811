// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/chat_files.hpp"

#include <nlohmann/json.hpp>

#include "support/catch.hpp"

using namespace posttrain::text;
using posttrain::Json;

namespace {

Json config(const char* text) { return parse_object(text, "tokenizer_config.json"); }

}  // namespace

TEST_CASE("A file is an object, an absent one an empty object") {
  CHECK(parse_object("", "x.json") == Json::object());
  CHECK(parse_object(R"({"a": 1})", "x.json")["a"] == 1);
  CHECK_THROWS_WITH(parse_object("[]", "x.json"), Catch::Contains("x.json: expected an object"));
  CHECK_THROWS_WITH(parse_object("{", "x.json"), Catch::Contains("x.json: "));
}

TEST_CASE("Special tokens are strings or objects; tokenizer_config goes before the map") {
  const Json tokens = special_tokens(
      config(R"({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "unk_token": null})"),
      Json::parse(R"({"bos_token": "other", "pad_token": {"content": "<pad>"}, "x_token": "x"})"));
  CHECK(tokens ==
        Json::parse(R"({"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"})"));
  CHECK_THROWS_WITH(special_tokens(config(R"({"bos_token": 5})"), Json::object()),
                    Catch::Contains("tokenizer_config.json: expected the text of a token under "
                                    "bos_token") &&
                        Catch::Contains("got 5"));
  CHECK_THROWS_WITH(
      special_tokens(Json::object(), config(R"({"eos_token": {"content": 2}})")),
      Catch::Contains("special_tokens_map.json: ") && Catch::Contains(R"(under eos_token)"));
}

TEST_CASE("Templates: files of their own go before those of tokenizer_config.json") {
  ChatFiles files;
  const Json one = config(R"({"chat_template": "a"})");
  const Json two = config(R"({"chat_template": [{"name": "default", "template": "a"},
                                                {"name": "rag", "template": "b"}]})");
  CHECK(chat_templates(files, config("{}")).empty());
  REQUIRE(chat_templates(files, one).size() == 1);
  CHECK(chat_templates(files, one)[0].first == "default");
  REQUIRE(chat_templates(files, two).size() == 2);
  CHECK(chat_templates(files, two)[1].second.render(Json::object()) == "b");
  files.chat_template = "c";
  REQUIRE(chat_templates(files, two).size() == 1);
  CHECK(chat_templates(files, two)[0].second.render(Json::object()) == "c");
}

TEST_CASE("Templates that cannot be read are errors") {
  const ChatFiles files;
  CHECK_THROWS_WITH(chat_templates(files, config(R"({"chat_template": 1})")),
                    Catch::Contains("a string or a list under chat_template, got number"));
  CHECK_THROWS_WITH(chat_templates(files, config(R"({"chat_template": [{"name": "x"}]})")),
                    Catch::Contains("expected {name, template}"));
  CHECK_THROWS_WITH(chat_templates(files, config(R"({"chat_template": "{{"})")),
                    Catch::Contains("chat template, line 1"));
}
