// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/pre_tokenizer.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "support/catch.hpp"

using namespace posttrain::text;

namespace {

std::string words(const nlohmann::json& description, std::string_view text,
                  PreTokenizer::Place place = {}, bool raw_bytes = false) {
  Words cut;
  cut.pieces.push_back(cut.keep(AlignedText(text, 0, true)));
  const PreTokenizer pre_tokenizer(description);
  pre_tokenizer(cut, place, raw_bytes);
  std::string out;
  for (const Piece& piece : cut.pieces) {
    if (!out.empty()) out += '|';
    out += piece.text;
  }
  return out;
}

}  // namespace

TEST_CASE("Byte-level words are GPT-2's, in the byte alphabet unless raw bytes are asked for") {
  const nlohmann::json level = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  CHECK(words(level, "it's é 12!") == "it|'s|ĠÃ©|Ġ12|!");
  CHECK(words(level, "a é", {}, true) == "a| é");
  CHECK(words({{"type", "ByteLevel"}, {"add_prefix_space", true}}, "a") == "Ġa");
  CHECK(words({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}, "a b") ==
        "aĠb");
}

TEST_CASE("Metaspace marks the start of a text, each word, or neither") {
  const auto mark = [](const char* scheme) {
    return nlohmann::json{{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", scheme}};
  };
  CHECK(words(mark("always"), "a b") == "_a|_b");
  CHECK(words(mark("never"), "a b") == "a|_b");
  CHECK(words(mark("first"), "a b", {.continues = true}) == "a|_b");
}

TEST_CASE("Other splits, one after another") {
  CHECK(words({{"type", "Whitespace"}}, "a+b  c") == "a|+|b|c");
  CHECK(words({{"type", "WhitespaceSplit"}}, "a+b  c") == "a+b|c");
  CHECK(words({{"type", "Digits"}, {"individual_digits", true}}, "a12") == "a|1|2");
  CHECK(words({{"type", "Punctuation"}}, "a,b") == "a|,|b");
  CHECK(words({{"type", "CharDelimiterSplit"}, {"delimiter", "-"}}, "a-b") == "a|b");
  CHECK(words({{"type", "Split"}, {"pattern", {{"Regex", "b+"}}}, {"behavior", "Removed"}},
              "abbc") == "a|c");
  CHECK(
      words({{"type", "Sequence"},
             {"pretokenizers",
              {{{"type", "WhitespaceSplit"}}, {{"type", "Digits"}, {"individual_digits", false}}}}},
            "a12 b") == "a|12|b");
  CHECK_THROWS_WITH(words({{"type", "Runes"}}, ""), Catch::Contains("'Runes' is not supported"));
}

TEST_CASE("A pattern that is known has a scanner") {
  CHECK(PreTokenizer(nlohmann::json{{"type", "ByteLevel"}, {"add_prefix_space", false}}).scanner());
  CHECK_FALSE(PreTokenizer(nlohmann::json{{"type", "Whitespace"}}).scanner());
  CHECK_FALSE(PreTokenizer(nlohmann::json{{"type", "Whitespace"}}).needs_source());
}

TEST_CASE("Pre-tokenizers may not multiply a text without bound") {
  const auto cut = [](const nlohmann::json& description, std::string_view text) {
    AlignedText whole(text, 0, false);
    whole.most = largest_rewriting(text.size());
    Words out;
    out.pieces.push_back(whole);
    PreTokenizer{description}(out, {}, false);
    return out.pieces.size();
  };
  const auto sequence = [](const nlohmann::json& step, int times) {
    nlohmann::json steps = nlohmann::json::array();
    for (int i = 0; i < times; ++i) steps.push_back(step);
    return nlohmann::json{{"type", "Sequence"}, {"pretokenizers", steps}};
  };
  const nlohmann::json twice = {
      {"type", "Metaspace"}, {"replacement", "  "}, {"prepend_scheme", "never"}, {"split", false}};
  nlohmann::json in_words = twice;  // each small, but many
  in_words["split"] = true;
  const std::string spaces(1000, ' ');
  CHECK(cut(sequence(twice, 4), spaces) == 1);
  CHECK_THROWS_WITH(cut(sequence(twice, 40), spaces), Catch::Contains("its rules make"));
  CHECK_THROWS_WITH(cut(sequence(in_words, 40), spaces), Catch::Contains("its rules make"));
  CHECK_THROWS_WITH(cut(sequence({{"type", "WhitespaceSplit"}}, 101), "a"),
                    Catch::Contains("at most 100 steps in the pre-tokenizer"));
}
