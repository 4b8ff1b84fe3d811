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
