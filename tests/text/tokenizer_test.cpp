// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer.hpp"

#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "posttrain/unicode/utf8.hpp"
#include "support/catch.hpp"
#include "support/mutations.hpp"
#include "support/shared_data.hpp"
#include "support/tiny_tokenizer.hpp"

using posttrain::Error;
using posttrain::TokenId;
using posttrain::TokenIds;
using posttrain::test::byte_fallback;
using posttrain::test::byte_level;
using posttrain::text::Tokenizer;

namespace {

Tokenizer make(const nlohmann::json& description) {
  return Tokenizer::from_json(description.dump());
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

TEST_CASE("Merges apply by rank, leftmost first") {
  const Tokenizer tokenizer = make(byte_level({"l l", "h e", "he ll", "a a"}, {}));
  CHECK(tokenizer.encode("hello") == TokenIds{258, 'o'});
  CHECK(tokenizer.encode("aaa") == TokenIds{259, 'a'});
  CHECK(tokenizer.token(258) == "hell");
  CHECK(tokenizer.vocab_size() == 260);
  CHECK(tokenizer.encode("").empty());
}

TEST_CASE("Merges may be pairs, and ignore_merges takes whole words") {
  auto description = byte_level({"a b", "c d"}, {});
  description["model"]["merges"] = nlohmann::json::parse(R"([["a", "b"], ["c", "d"]])");
  description["model"]["vocab"]["abcd"] = 258;
  CHECK(make(description).encode("abcd") == TokenIds{256, 257});
  description["model"]["ignore_merges"] = true;
  CHECK(make(description).encode("abcd") == TokenIds{258});
}

TEST_CASE("Byte-level text survives encoding and decoding") {
  const Tokenizer tokenizer = make(byte_level({"Ġ t", "Ġt h"}, {"<|end|>"}));
  for (const std::string text :
       {"plain the text", "  two\n\n\tlines\r\n", "Grüße 你好 🌍👩‍👧 e\u0301",
        "<|end|>x<|end|>", "\x01\x7f"}) {
    CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
  }
}

TEST_CASE("Broken UTF-8 is repaired, never a crash") {
  const Tokenizer level = make(byte_level({}, {"<|end|>"}));
  const Tokenizer fallback = make(byte_fallback({"\u2581", "a"}, {}));
  const std::string broken = "a\xff\xe4\xb8\xc0\xaf\xf0\x9f\x8c";
  CHECK(level.decode(level.encode(broken)) == posttrain::text::repair_utf8(broken));
  CHECK(fallback.decode(fallback.encode(broken)) == posttrain::text::repair_utf8(broken));
  CHECK(posttrain::text::repair_utf8("\xe4\xb8x") == "\uFFFDx");
  CHECK(level.decode(TokenIds{-1, 100000, 300}) == "");
}

TEST_CASE("Byte fallback spells unknown characters, and sections start with a space mark") {
  const Tokenizer tokenizer =
      make(byte_fallback({"\u2581", "h", "i", "hi", "\u2581hi"}, {"h i", "\u2581 hi"}));
  const auto id = [&](const char* token) { return *tokenizer.id(token); };
  CHECK(tokenizer.encode("hi hi") == TokenIds{id("\u2581hi"), id("\u2581hi")});
  CHECK(tokenizer.encode("hi", true) == TokenIds{1, id("\u2581hi")});
  CHECK(tokenizer.encode("hi</s>hi") == TokenIds{id("\u2581hi"), 2, id("\u2581hi")});
  CHECK(tokenizer.encode("é") == TokenIds{id("\u2581"), id("<0xC3>"), id("<0xA9>")});
  CHECK(tokenizer.decode(tokenizer.encode("hi é hi")) == "hi é hi");
  CHECK(tokenizer.decode(TokenIds{id("<0xC3>")}) == "\uFFFD");
}

TEST_CASE("A continuation has no space mark, except behind an added token [C11]", "[C11]") {
  const Tokenizer tokenizer =
      make(byte_fallback({"\u2581", "h", "i", "hi", "\u2581hi"}, {"h i", "\u2581 hi"}));
  CHECK(tokenizer.encode_continuation("hi") == TokenIds{*tokenizer.id("hi")});
  CHECK(tokenizer.encode_continuation("hi", 2) == TokenIds{*tokenizer.id("\u2581hi")});
  CHECK(tokenizer.encode_continuation("hi", 5) == TokenIds{*tokenizer.id("hi")});
}

TEST_CASE("Added tokens are cut out leftmost and longest, with their options") {
  auto description = byte_level({}, {"<a>", "<a><b>", "word", "<r>", "<l>"});
  description["added_tokens"][2]["single_word"] = true;
  description["added_tokens"][3]["rstrip"] = true;
  description["added_tokens"][4]["lstrip"] = true;
  description["added_tokens"][4]["special"] = false;
  const Tokenizer tokenizer = make(description);
  const auto byte = [](char c) { return static_cast<TokenId>(c); };
  CHECK(tokenizer.encode("<a><b><a>") == TokenIds{257, 256});
  CHECK(tokenizer.encode("word").size() == 1);
  CHECK(tokenizer.encode("words").size() == 5);
  CHECK(tokenizer.encode("<r>  \n!") == TokenIds{259, byte('!')});
  CHECK(tokenizer.encode("! \n<l>") == TokenIds{byte('!'), 260});
  CHECK(tokenizer.is_special(256));
  CHECK_FALSE(tokenizer.is_special(260));
  CHECK(tokenizer.is_added(260));
  CHECK(tokenizer.decode(TokenIds{256, '!', 260}, true) == "!<l>");
}

TEST_CASE("Metaspace, digits and NFC work as pre-tokenizers and normalizer") {
  auto description = byte_fallback({"\u2581", "a", "b", "1", "2", "é"}, {});
  description["normalizer"] = {{"type", "NFC"}};
  description["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Digits"}, {"individual_digits", true}},
        {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "first"}}}}};
  const Tokenizer tokenizer = make(description);
  const auto id = [&](const char* token) { return *tokenizer.id(token); };
  CHECK(tokenizer.encode("a 12") ==
        TokenIds{id("\u2581"), id("a"), id("\u2581"), id("1"), id("2")});
  CHECK(tokenizer.encode("e\u0301") == TokenIds{id("\u2581"), id("é")});
  CHECK(tokenizer.encode("</s>a") == TokenIds{2, id("a")});
}

TEST_CASE("Unsupported or broken parts are one clear error") {
  auto description = byte_level({}, {});
  description["normalizer"] = {{"type", "Uppercase"}};
  CHECK_THROWS_WITH(make(description), Catch::Contains("'Uppercase' is not supported"));
  description["normalizer"] = nullptr;
  description["pre_tokenizer"] = {{"type", "UnicodeScripts"}};
  CHECK_THROWS_WITH(make(description), Catch::Contains("'UnicodeScripts' is not supported"));
  description["pre_tokenizer"] = {
      {"type", "Split"}, {"pattern", {{"Regex", "(["}}}, {"behavior", "Isolated"}};
  CHECK_THROWS_WITH(make(description), Catch::Contains("regular expression"));
  description["model"]["type"] = "Morfessor";
  CHECK_THROWS_WITH(make(description), Catch::Contains("'Morfessor' is not supported"));
  auto dropout = byte_level({}, {});
  dropout["model"]["dropout"] = 0.1;
  CHECK_THROWS_WITH(make(dropout), Catch::Contains("dropout 0.1 is not supported"));
  CHECK_THROWS_AS(Tokenizer::from_json("{"), Error);
  CHECK_THROWS_AS(Tokenizer::from_json("[]"), Error);
  CHECK_THROWS_WITH(Tokenizer::from_json(""), Catch::Contains("found no such file or an empty"));
  CHECK_THROWS_WITH(
      Tokenizer::from_json("version https://git-lfs.github.com/spec/v1\noid"),
      Catch::Contains("is a Git LFS pointer, not the file itself; hint: git lfs pull"));
  CHECK_THROWS_AS(Tokenizer::from_json("{\"model\": {\"type\": \"BPE\", \"vocab\": 3}}"), Error);
  auto merges = byte_level({}, {});
  merges["model"]["merges"] = {"a nothing"};
  CHECK_THROWS_WITH(make(merges), Catch::Contains("outside the vocabulary"));
  CHECK_THROWS_AS(make(byte_level({}, {})).token(300), Error);

  // Numbers that an id cannot be.
  auto ids = byte_level({}, {});
  ids["post_processor"] = {{"type", "BertProcessing"}, {"cls", {"a", 8.9e27}}, {"sep", {"b", 1}}};
  CHECK_THROWS_WITH(make(ids), Catch::Contains("an integer from 0 to 2147483647, got 8.9e+27"));
  ids["post_processor"] = nullptr;
  ids["decoder"] = {{"type", "Strip"}, {"content", "_"}, {"start", -1}, {"stop", 0}};
  CHECK_THROWS_WITH(make(ids), Catch::Contains("expected start to be an integer of at least 0"));
  auto added = byte_level({}, {"<|end|>"});
  // An id that contradicts the vocabulary, or leaves a gap, is the tokenizers package's own.
  added["added_tokens"][0]["id"] = 300;
  CHECK(make(added).encode("<|end|>") == TokenIds{256});
  added["added_tokens"][0]["content"] = "a";
  CHECK(make(added).encode("a") == TokenIds{'a'});
  CHECK(make(added).vocab_size() == 256);
  added["added_tokens"][0]["content"] = "<|end|>";
  added["added_tokens"][0]["id"] = 300.5;
  CHECK_THROWS_WITH(
      make(added),
      Catch::Contains("tokenizer.json: added_tokens[0]: expected id to be an integer"));
}

TEST_CASE("Any other value in a tokenizer.json loads, or is one line that names file and key") {
  std::vector<nlohmann::json> documents{byte_level({"h e", "he l"}, {"<|end|>"}),
                                        byte_fallback({"a", "ab"}, {"a b"})};
  documents[1]["model"]["vocab"]["b"] = 300;
  const auto parse = [](const char* text) { return nlohmann::json::parse(text); };
  documents[0]["normalizer"] = parse(R"({"type": "Sequence", "normalizers": [
      {"type": "BertNormalizer", "clean_text": true, "strip_accents": null, "lowercase": false},
      {"type": "Strip", "strip_left": true, "strip_right": false},
      {"type": "Prepend", "prepend": "_"},
      {"type": "Replace", "pattern": {"Regex": "x+"}, "content": "y"},
      {"type": "Precompiled", "precompiled_charsmap": null}]})");
  documents[0]["pre_tokenizer"] = parse(R"({"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"String": " "}, "behavior": "Isolated", "invert": false},
      {"type": "Digits", "individual_digits": true}, {"type": "FixedLength", "length": 4},
      {"type": "CharDelimiterSplit", "delimiter": "-"},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]})");
  documents[0]["decoder"] = parse(R"({"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "_"}, "content": " "},
      {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": true},
      {"type": "WordPiece", "prefix": "##", "cleanup": true},
      {"type": "BPEDecoder", "suffix": "</w>"}, {"type": "ByteLevel"}]})");
  documents[0]["post_processor"] = parse(R"({"type": "Sequence", "processors": [
      {"type": "RobertaProcessing", "cls": ["<s>", 1], "sep": ["</s>", 2], "trim_offsets": true,
       "add_prefix_space": false}, {"type": "ByteLevel", "trim_offsets": false}]})");
  documents[1]["pre_tokenizer"] = parse(
      R"({"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": true})");
  documents.push_back(parse(R"({"model": {"type": "WordPiece", "unk_token": "[UNK]",
      "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
      "vocab": {"[UNK]": 0, "a": 1, "##b": 2}}, "pre_tokenizer": {"type": "BertPreTokenizer"},
      "decoder": {"type": "Metaspace", "replacement": "_", "add_prefix_space": true},
      "added_tokens": [{"id": 3, "content": "<x>", "special": true, "normalized": false,
                        "single_word": false, "lstrip": false, "rstrip": true}]})"));
  documents.push_back(parse(R"({"model": {"type": "Unigram", "unk_id": 0, "byte_fallback": false,
      "vocab": [["<unk>", 0.0], ["a", -1.5], ["b", -2.5]]}})"));
  std::size_t loaded = 0, refused = 0;
  for (const nlohmann::json& document : documents) {
    REQUIRE_NOTHROW(make(document).encode("a b"));
    const auto check = [&](const std::string& text, const std::string& what) {
      INFO(what);
      std::string message;
      try {
        const Tokenizer tokenizer = Tokenizer::from_json(text);
        ++loaded;
        try {
          const auto encoded = tokenizer.encode_with_offsets("a b-c <x> 12", true);
          tokenizer.decode(encoded.ids);
        } catch (const Error& error) {
          CHECK(posttrain::test::flaw(error.what(), "").empty());
        }
        return;
      } catch (const Error& error) {
        message = error.what();
      }
      ++refused;
      INFO(message);
      CHECK(posttrain::test::flaw(message, "tokenizer.json").empty());
      // The component stands in the message, and the key unless it is an entry of a list, or a name
      // that points nowhere.
      const std::string path = what.substr(0, what.find(' '));
      const std::size_t second = path.find('/', 1);
      if (!path.empty()) {
        CHECK(message.find(path.substr(1, second - 1)) != std::string::npos);
      }
      const std::string key = path.substr(path.rfind('/') + 1);
      const bool entry = key.find_first_not_of("0123456789") == std::string::npos;
      const bool points_nowhere = message.find("is not supported") != std::string::npos ||
                                  message.find("found no such key") != std::string::npos;
      CHECK((entry || points_nowhere || message.find(key) != std::string::npos));
    };
    posttrain::test::for_each_mutation(document, check);
  }
  CHECK(loaded > 300);
  CHECK(refused > 1000);
}

TEST_CASE("Offsets lead back to the source") {
  const Tokenizer level = make(byte_level({"l l", "h e", "he ll"}, {"<|end|>"}));
  const std::string text = "hello \u4f60<|end|>";
  const auto encoding = level.encode_with_offsets(text);
  CHECK(encoding.ids == level.encode(text));
  using Offsets = std::vector<std::pair<std::size_t, std::size_t>>;
  CHECK(encoding.offsets == Offsets{{0, 4}, {4, 5}, {5, 6}, {6, 9}, {6, 9}, {6, 9}, {9, 16}});
  auto description = byte_level({}, {});
  description["normalizer"] = {{"type", "NFC"}};
  description["post_processor"] = {
      {"type", "BertProcessing"}, {"cls", {"a", 97}}, {"sep", {"b", 98}}};
  const auto composed = make(description).encode_with_offsets("xe\u0301y", true);
  CHECK(composed.ids.size() == 6);
  CHECK(composed.offsets == Offsets{{0, 0}, {0, 1}, {1, 2}, {1, 2}, {4, 5}, {0, 0}});
}

TEST_CASE("Batches give what single texts give, whatever the number of threads") {
  const Tokenizer tokenizer = make(byte_level({"a b", "ab ab"}, {"<|end|>"}));
  std::vector<std::string> texts;
  for (int i = 0; i < 50; ++i)
    texts.push_back(std::string(static_cast<std::size_t>(i), 'a') + "bab<|end|>");
  for (const unsigned threads : {0U, 1U, 3U, 100U}) {
    const auto batch = tokenizer.encode_batch(texts, false, threads);
    REQUIRE(batch.size() == texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) CHECK(batch[i] == tokenizer.encode(texts[i]));
  }
  CHECK(tokenizer.encode_batch({}).empty());
  auto words = byte_level({}, {});
  words["pre_tokenizer"] = nullptr;
  words["model"] = {{"type", "WordLevel"}, {"vocab", {{"a", 0}}}, {"unk_token", "<unk>"}};
  const std::vector<std::string> unknown = {"a", "b"};
  CHECK_THROWS_WITH(make(words).encode_batch(unknown, false, 2), Catch::Contains("'<unk>'"));
}

TEST_CASE("A megabyte of one character is not quadratic") {
  const Tokenizer level = make(byte_level({"a a", "aa aa"}, {}));
  const Tokenizer fallback = make(byte_fallback({"\u2581", "a", "aa"}, {"a a"}));
  const std::string text(1 << 20, 'a');
  const auto start = std::chrono::steady_clock::now();
  CHECK(level.encode(text).size() == text.size() / 4);
  CHECK(fallback.encode(text).size() == 1 + text.size() / 2);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
}

TEST_CASE("Real vocabularies give the published ids") {
  POSTTRAIN_SHARED_OR_SKIP(root, "data/goldens/tokenizers_llama_cpp.json");
  const std::string data = posttrain::test::shared_path("data");
  for (const std::string name : {"gpt2", "qwen2.5", "llama-3", "phi-3-mini"}) {
    const Tokenizer tokenizer =
        Tokenizer::from_json(contents(data + "/tokenizers/" + name + "/tokenizer.json"));
    for (const std::string file : {"tokenizers_llama_cpp", "tokenizers_transformers_js"}) {
      const auto cases = nlohmann::json::parse(contents(data + "/goldens/" + file + ".json"));
      if (!cases.contains(name)) continue;
      for (const auto& golden : cases.at(name)) {
        INFO(name << ' ' << golden.at("text").dump());
        const auto wanted = golden.at("ids").get<TokenIds>();
        const bool special = !wanted.empty() && wanted[0] == 128000;
        CHECK(tokenizer.encode(golden.at("text").get<std::string>(), special) == wanted);
      }
    }
  }
}
