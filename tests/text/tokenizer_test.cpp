// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/tokenizer.hpp"

#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "posttrain/text/stream_decoder.hpp"
#include "posttrain/text/tokenizer_pre_tokenizer.hpp"
#include "support/catch.hpp"
#include "support/shared_data.hpp"
#include "text/tiny_tokenizer.hpp"

using posttrain::Error;
using posttrain::TokenId;
using posttrain::TokenIds;
using posttrain::test::byte_fallback;
using posttrain::test::byte_level;
using posttrain::text::SplitBehavior;
using posttrain::text::StreamDecoder;
using posttrain::text::Tokenizer;

namespace {

Tokenizer make(const nlohmann::json& description) {
  return Tokenizer::from_json(description.dump());
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> split(std::string_view text, SplitBehavior behavior, bool invert = false) {
  std::vector<std::string_view> views;
  posttrain::text::split_by(
      text, behavior, invert,
      [&](auto&& visit) {
        for (std::size_t i = 0; i < text.size(); ++i) {
          if (text[i] == '-') visit(i, i + 1);
        }
      },
      views);
  return {views.begin(), views.end()};
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

TEST_CASE("Splits know every behaviour") {
  const std::string text = "a--b-";
  using List = std::vector<std::string>;
  CHECK(split(text, SplitBehavior::kRemoved) == List{"a", "b"});
  CHECK(split(text, SplitBehavior::kIsolated) == List{"a", "-", "-", "b", "-"});
  CHECK(split(text, SplitBehavior::kMergedWithPrevious) == List{"a-", "-", "b-"});
  CHECK(split(text, SplitBehavior::kMergedWithNext) == List{"a", "-", "-b", "-"});
  CHECK(split(text, SplitBehavior::kContiguous) == List{"a", "--", "b", "-"});
  CHECK(split(text, SplitBehavior::kRemoved, true) == List{"-", "-", "-"});
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
  description["normalizer"] = {{"type", "Nmt"}};
  CHECK_THROWS_WITH(make(description), Catch::Contains("'Nmt' is not supported"));
  description["normalizer"] = nullptr;
  description["pre_tokenizer"] = {{"type", "UnicodeScripts"}};
  CHECK_THROWS_WITH(make(description), Catch::Contains("'UnicodeScripts' is not supported"));
  description["pre_tokenizer"] = {
      {"type", "Split"}, {"pattern", {{"Regex", "(["}}}, {"behavior", "Isolated"}};
  CHECK_THROWS_WITH(make(description), Catch::Contains("regular expression"));
  description["model"]["type"] = "Unigram";
  CHECK_THROWS_WITH(make(description), Catch::Contains("'Unigram' is not supported"));
  CHECK_THROWS_AS(Tokenizer::from_json("{"), Error);
  CHECK_THROWS_AS(Tokenizer::from_json("[]"), Error);
  CHECK_THROWS_AS(Tokenizer::from_json("{\"model\": {\"type\": \"BPE\", \"vocab\": 3}}"), Error);
  auto merges = byte_level({}, {});
  merges["model"]["merges"] = {"a nothing"};
  CHECK_THROWS_WITH(make(merges), Catch::Contains("outside the vocabulary"));
  CHECK_THROWS_AS(make(byte_level({}, {})).token(300), Error);
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

TEST_CASE("Streaming never splits a character and adds up to the whole") {
  const Tokenizer level = make(byte_level({"Ġ w"}, {"<|end|>"}));
  const Tokenizer fallback = make(byte_fallback({"\u2581", "w", "\u2581w"}, {"\u2581 w"}));
  const std::string text = "w w 🌍 你好 w\u0301 end<|end|>";
  for (const Tokenizer& tokenizer : {level, fallback}) {
    const TokenIds ids = tokenizer.encode(text);
    StreamDecoder decoder(tokenizer);
    std::string all;
    for (const TokenId id : ids) {
      const std::string piece = decoder.push(id);
      CHECK(piece.find("\uFFFD") == std::string::npos);
      CHECK(posttrain::text::is_valid_utf8(piece));
      all += piece;
    }
    CHECK(all + decoder.finish() == tokenizer.decode(ids));
  }
  StreamDecoder unfinished(level);
  CHECK(unfinished.push(*level.id(posttrain::text::ByteAlphabet::get().character(0xE4))).empty());
  CHECK(unfinished.finish() == "\uFFFD");
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
