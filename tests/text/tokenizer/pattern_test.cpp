// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/pattern.hpp"

#include <nlohmann/json.hpp>
#include <string>

#include "support/catch.hpp"

using namespace posttrain::text;

namespace {

std::string found(const nlohmann::json& description, std::string_view text) {
  std::string out;
  Pattern(description).matches(text, [&](std::size_t begin, std::size_t end) {
    out += '[' + std::to_string(begin) + ',' + std::to_string(end) + ')';
  });
  return out;
}

}  // namespace

TEST_CASE("Patterns are literals or regular expressions, and may match nothing") {
  CHECK(found("aa", "aaaaa") == "[0,2)[2,4)");
  CHECK(found({{"String", "."}}, "a.b") == "[1,2)");
  CHECK(found({{"Regex", "a*"}}, "aab") == "[0,2)[3,3)");
  CHECK(found("", "ab").empty());
  CHECK_THROWS_WITH(
      found({{"Other", "x"}}, ""),
      Catch::Contains(R"(tokenizer.json: expected pattern to be {"String"} or {"Regex"}, got {)"));
  CHECK(Pattern(nlohmann::json{{"Regex", "x+"}}).regex() == "x+");
}

TEST_CASE("A replacement keeps the source of what stays") {
  const AlignedText source("a--b", 0, true);
  const AlignedText out = Pattern("--").replace(Piece(source), "+");
  CHECK(out.text == "a+b");
  CHECK(Piece(out).source_of(2, 3) == ByteRange{3, 4});
}
