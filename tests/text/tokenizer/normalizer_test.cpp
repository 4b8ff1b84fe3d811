// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer/normalizer.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "support/catch.hpp"

using namespace posttrain::text;

namespace {

std::string normal(const nlohmann::json& description, std::string_view text, bool fresh = true) {
  return Normalizer(description)(AlignedText(text, 0, false), fresh).text;
}

}  // namespace

TEST_CASE("Normalizers change a text, one after another") {
  CHECK(normal({{"type", "Lowercase"}}, "ÀB") == "àb");
  CHECK(normal({{"type", "Strip"}, {"strip_right", false}}, " a ") == "a ");
  CHECK(normal({{"type", "StripAccents"}}, "e\u0301") == "e");
  CHECK(normal({{"type", "Nmt"}}, "a\x01\tb\u200b") == "a b ");
  CHECK(normal({{"type", "ByteLevel"}}, "é ") == "Ã©Ġ");
  CHECK(normal({{"type", "Replace"}, {"pattern", {{"Regex", "\\s+"}}}, {"content", "_"}}, "a  b") ==
        "a_b");
  CHECK(normal({{"type", "Sequence"},
                {"normalizers", {{{"type", "NFD"}}, {{"type", "StripAccents"}}}}},
               "éa") == "ea");
  CHECK(normal(nullptr, "X") == "X");
}

TEST_CASE("Normalizers may not multiply a text without bound") {
  const auto sequence = [](const nlohmann::json& step, int times) {
    nlohmann::json steps = nlohmann::json::array();
    for (int i = 0; i < times; ++i) steps.push_back(step);
    return nlohmann::json{{"type", "Sequence"}, {"normalizers", steps}};
  };
  const nlohmann::json twice = {
      {"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}};
  const nlohmann::json regex = {
      {"type", "Replace"}, {"pattern", {{"Regex", "a"}}}, {"content", std::string(1 << 20, 'a')}};
  const nlohmann::json prepend = {{"type", "Prepend"}, {"prepend", std::string(1 << 17, 'a')}};
  for (const nlohmann::json& hostile :
       {sequence(twice, 40), regex, prepend, sequence({{"type", "ByteLevel"}}, 40)}) {
    CHECK_THROWS_WITH(normal(hostile, "aaaa é"), Catch::Contains("tokenizer.json: its rules make"));
  }
  CHECK(normal(sequence(twice, 14), "a").size() == 1 << 14);  // 64 KiB are free
  CHECK_THROWS_WITH(normal(sequence(twice, 17), "a"), Catch::Contains("its rules make"));
  const std::string longer(100000, 'a');
  CHECK(normal(sequence(twice, 5), longer).size() == 3200000);
  CHECK_THROWS_WITH(normal(sequence(twice, 6), longer), Catch::Contains("its rules make"));
  // The most that a real file makes of a text: U+FDFA, spaces, bytes.
  std::string arabic;
  for (int i = 0; i < 100000; ++i) arabic += "\uFDFA";
  const nlohmann::json spaces = {
      {"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
  CHECK(normal({{"type", "Sequence"},
                {"normalizers", {{{"type", "NFKD"}}, spaces, {{"type", "ByteLevel"}}}}},
               arabic)
            .size() > 20 * arabic.size());
  CHECK_THROWS_WITH(normal(sequence({{"type", "Lowercase"}}, 1000), "a"),
                    Catch::Contains("at most 100 steps in the normalizer"));
}

TEST_CASE("Prepend is for the start of a text only") {
  const nlohmann::json mark = {{"type", "Prepend"}, {"prepend", "_"}};
  CHECK(normal(mark, "a") == "_a");
  CHECK(normal(mark, "a", false) == "a");
  CHECK(normal(mark, "").empty());
}

TEST_CASE("BERT's cleaning") {
  CHECK(normal({{"type", "BertNormalizer"}}, "É\x01\t你x") == "e  你 x");
  CHECK(normal({{"type", "BertNormalizer"}, {"lowercase", false}}, "É") == "É");
  CHECK(normal({{"type", "BertNormalizer"}, {"lowercase", false}, {"strip_accents", true}}, "É") ==
        "E");
}

TEST_CASE("A text that is sure to stay is told, and an unknown normalizer refused") {
  const Normalizer nfc(nlohmann::json{{"type", "NFC"}});
  CHECK(nfc.leaves("é"));
  CHECK_FALSE(nfc.leaves("e\u0301"));
  CHECK_FALSE(Normalizer(nlohmann::json{{"type", "Lowercase"}}).leaves("a"));
  CHECK(Normalizer().leaves("anything"));
  CHECK_THROWS_WITH(normal({{"type", "Upper"}}, ""), Catch::Contains("'Upper' is not supported"));
  CHECK_THROWS_WITH(normal({{"type", "Precompiled"}, {"precompiled_charsmap", "AAAA"}}, ""),
                    Catch::Contains("one cut short"));
}
