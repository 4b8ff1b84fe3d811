// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/decoder.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/catch.hpp"

using posttrain::text::TokenDecoder;

namespace {

std::string decoded(const nlohmann::json& description, std::vector<std::string> tokens) {
  return TokenDecoder(description)(std::move(tokens));
}

}  // namespace

TEST_CASE("Decoders join tokens as their tokenizers cut them") {
  CHECK(decoded({{"type", "ByteLevel"}}, {"ĠhÃ", "©"}) == " hé");
  CHECK(decoded({{"type", "ByteFallback"}}, {"a", "<0xC3>", "<0xA9>", "b"}) == "aéb");
  CHECK(decoded({{"type", "ByteFallback"}}, {"<0xC3>", "<0xA9>", "<0xC3>"}) ==
        "\uFFFD\uFFFD\uFFFD");  // one for each byte of a broken run
  CHECK(decoded({{"type", "Metaspace"}}, {"\u2581a", "\u2581b"}) == "a b");
  CHECK(decoded({{"type", "WordPiece"}}, {"un", "##able", "do", "n't", "."}) == "unable don't.");
  CHECK(decoded({{"type", "BPEDecoder"}}, {"a", "b</w>", "c</w>"}) == "ab c");
  CHECK(decoded({{"type", "CTC"}}, {"<pad>", "a", "a", "<pad>", "a", "|", "b"}) == "aa b");
  CHECK(decoded({{"type", "Sequence"},
                 {"decoders",
                  {{{"type", "Replace"}, {"pattern", {{"String", "_"}}}, {"content", " "}},
                   {{"type", "Fuse"}},
                   {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}},
                {"_a", "_b"}) == "a b");
}

TEST_CASE("Decoders may not multiply a text without bound, and take linear time") {
  nlohmann::json steps = nlohmann::json::array();
  const auto sequence = [&] { return nlohmann::json{{"type", "Sequence"}, {"decoders", steps}}; };
  for (int i = 0; i < 40; ++i) {
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}});
  }
  CHECK_THROWS_WITH(decoded(sequence(), {"a", "a"}),
                    Catch::Contains("tokenizer.json: its rules make"));
  CHECK_THROWS_WITH(decoded({{"type", "Replace"},
                             {"pattern", {{"String", "a"}}},
                             {"content", std::string(1000, 'a')}},
                            std::vector<std::string>(1000, "a")),
                    Catch::Contains("its rules make"));  // of all tokens together
  for (int i = 0; i < 100; ++i) steps.push_back({{"type", "Fuse"}});
  CHECK_THROWS_WITH(decoded(sequence(), {"a"}),
                    Catch::Contains("at most 100 steps in the decoder"));
  // A long text in one token: replaced in one pass.
  steps = {{{"type", "Fuse"}}, {{"type", "BPEDecoder"}, {"suffix", "__"}}};
  CHECK(decoded(sequence(), std::vector<std::string>(500000, "a__")) == std::string(500000, 'a'));
  steps = {{{"type", "BPEDecoder"}, {"suffix", "__"}}};
  CHECK(decoded(sequence(), {"a____b__", "_"}) == "a  b _");
}

TEST_CASE("An unknown decoder is refused") {
  CHECK_THROWS_WITH(decoded({{"type", "Morse"}}, {}), Catch::Contains("'Morse' is not supported"));
  CHECK_THROWS_WITH(decoded({{"type", "Strip"}, {"content", ""}}, {}),
                    Catch::Contains("an empty content"));
}
