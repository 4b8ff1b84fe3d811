// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/unigram.hpp"

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "support/catch.hpp"

using namespace posttrain::text;
using posttrain::TokenIds;

TEST_CASE("The segmentation of the best score wins; unknown characters in a row are one token") {
  const Unigram model(nlohmann::json::parse(
      R"({"unk_id": 0, "vocab": [["<unk>", 0], ["a", -1], ["b", -2], ["ab", -2.5], ["ba", -1.5]]})"));
  const auto ids = [&](std::string_view word) {
    TokenIds out;
    model.encode(word, {&out, nullptr});
    return out;
  };
  CHECK(ids("ab") == TokenIds{3});      // −2.5 before −3
  CHECK(ids("aba") == TokenIds{1, 4});  // −2.5 before −3.5
  CHECK(ids("axyb") == TokenIds{1, 0, 2});
  CHECK(ids("").empty());
  TokenIds out;
  std::vector<ByteRange> ranges;
  model.encode("aéé", {&out, &ranges});
  CHECK(ranges == std::vector<ByteRange>{{0, 1}, {1, 5}});
}

TEST_CASE("Unknown characters need an unk_id or their bytes") {
  nlohmann::json model = nlohmann::json::parse(R"({"vocab": [["a", -1]]})");
  TokenIds out;
  CHECK_THROWS_WITH(Unigram(model).encode("b", {&out, nullptr}), Catch::Contains("no unk_id"));
  model["unk_id"] = 7;
  CHECK_THROWS_WITH(Unigram(model), Catch::Contains("expected unk_id in the vocabulary of 1"));
  CHECK_THROWS_WITH(Unigram(nlohmann::json::parse(R"({"vocab": [["a"]]})")),
                    Catch::Contains("expected model.vocab[0] to be [token, score]"));
  const Unigram bytes(nlohmann::json::parse(
      R"({"unk_id": 0, "byte_fallback": true,
          "vocab": [["<unk>", 0], ["<0xC3>", -1], ["<0xA9>", -1]]})"));
  bytes.encode("é", {&out, nullptr});
  CHECK(out == TokenIds{1, 2});
}
