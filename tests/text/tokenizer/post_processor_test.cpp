// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/post_processor.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/catch.hpp"

using namespace posttrain::text;
using posttrain::TokenIds;

TEST_CASE("A template and its kin say which ids stand before and behind a text") {
  const PostProcessor bert(
      nlohmann::json{{"type", "BertProcessing"}, {"cls", {"a", 1}}, {"sep", {"b", 2}}});
  CHECK(bert.before() == TokenIds{1});
  CHECK(bert.after() == TokenIds{2});
  const PostProcessor both(nlohmann::json::parse(
      R"({"type": "Sequence", "processors": [
          {"type": "ByteLevel"},
          {"type": "TemplateProcessing",
           "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
           "special_tokens": {"<s>": {"ids": [7, 8]}}}]})"));
  CHECK(both.before() == TokenIds{7, 8});
  CHECK(both.after().empty());
  TokenIds ids{3};
  std::vector<ByteRange> offsets{{0, 2}};
  both(ids, offsets, " a", true, [](std::size_t) { return std::string("Ġa"); });
  CHECK(ids == TokenIds{7, 8, 3});
  CHECK(offsets == std::vector<ByteRange>{{0, 0}, {0, 0}, {0, 2}});
}

TEST_CASE("Byte-level offsets leave blanks out, but for the prefix space") {
  const auto trimmed = [](bool prefix_space, ByteRange range) {
    const PostProcessor level(
        nlohmann::json{{"type", "ByteLevel"}, {"add_prefix_space", prefix_space}});
    TokenIds ids{0};
    std::vector<ByteRange> offsets{range};
    level(ids, offsets, "x  a b", false, [](std::size_t) { return std::string("Ġa"); });
    return offsets[0];
  };
  CHECK(trimmed(false, {2, 4}) == ByteRange{3, 4});
  CHECK(trimmed(true, {0, 4}) == ByteRange{0, 4});
}

TEST_CASE("Post-processors that are not known are refused") {
  CHECK_THROWS_WITH(PostProcessor(nlohmann::json{{"type", "Rot13"}}),
                    Catch::Contains("'Rot13' is not supported"));
  CHECK_THROWS_WITH(PostProcessor(nlohmann::json::parse(
                        R"({"type": "TemplateProcessing", "special_tokens": {},
                            "single": [{"Sequence": {}}, {"Sequence": {}}]})")),
                    Catch::Contains("the text twice"));
}
