// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/bpe.hpp"

#include <nlohmann/json.hpp>
#include <string_view>

#include "support/catch.hpp"

using namespace posttrain::text;
using posttrain::TokenIds;

namespace {

TokenIds ids(const nlohmann::json& model, std::string_view word) {
  TokenIds out;
  Bpe(model).encode(word, {&out, nullptr});
  return out;
}

}  // namespace

TEST_CASE("Characters that are no token become <unk>, once or once each, or their bytes") {
  nlohmann::json model = {{"vocab", {{"<unk>", 0}, {"a", 1}, {"<0xC3>", 2}, {"<0xA9>", 3}}},
                          {"merges", nlohmann::json::array()},
                          {"unk_token", "<unk>"}};
  CHECK(ids(model, "aééa") == TokenIds{1, 0, 0, 1});
  model["fuse_unk"] = true;
  CHECK(ids(model, "aééa") == TokenIds{1, 0, 1});
  model["byte_fallback"] = true;
  CHECK(ids(model, "é") == TokenIds{2, 3});
  CHECK(ids(model, "ö") == TokenIds{0});  // its second byte has no token
  model["unk_token"] = "nope";
  CHECK_THROWS_WITH(ids(model, "a"), Catch::Contains("unknown token 'nope' is not in"));
}

TEST_CASE("Sub-words have a prefix, the last one a suffix") {
  const nlohmann::json model = {{"vocab", {{"a", 0}, {"##a", 1}, {"##a</w>", 2}, {"a</w>", 3}}},
                                {"merges", nlohmann::json::array()},
                                {"continuing_subword_prefix", "##"},
                                {"end_of_word_suffix", "</w>"}};
  CHECK(ids(model, "aaa") == TokenIds{0, 1, 2});
  CHECK(ids(model, "a") == TokenIds{3});
  CHECK(ids(model, "").empty());
}
