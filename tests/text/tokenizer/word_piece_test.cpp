// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/word_piece.hpp"

#include <nlohmann/json.hpp>
#include <string_view>

#include "support/catch.hpp"

using namespace posttrain::text;
using posttrain::TokenIds;

namespace {

template <class Model>
TokenIds ids(const nlohmann::json& model, std::string_view word) {
  TokenIds out;
  Model(model).encode(word, {&out, nullptr});
  return out;
}

}  // namespace

TEST_CASE("WordPiece takes the longest piece each time, or the unknown token for the whole") {
  nlohmann::json model = {
      {"vocab", {{"[UNK]", 0}, {"un", 1}, {"##aff", 2}, {"##able", 3}, {"##é", 4}, {"u", 5}}},
      {"max_input_chars_per_word", 10}};
  CHECK(ids<WordPiece>(model, "unaffable") == TokenIds{1, 2, 3});
  CHECK(ids<WordPiece>(model, "uné") == TokenIds{1, 4});
  CHECK(ids<WordPiece>(model, "unxable") == TokenIds{0});
  CHECK(ids<WordPiece>(model, "unaffableun") == TokenIds{0});  // 11 characters
  model["vocab"].erase("[UNK]");
  CHECK_THROWS_WITH(ids<WordPiece>(model, "x"),
                    Catch::Contains("nor is the unknown token '[UNK]'"));
}

TEST_CASE("WordLevel looks whole words up") {
  const nlohmann::json model = {{"vocab", {{"a", 0}, {"?", 1}}}, {"unk_token", "?"}};
  CHECK(ids<WordLevel>(model, "a") == TokenIds{0});
  CHECK(ids<WordLevel>(model, "aa") == TokenIds{1});
}
