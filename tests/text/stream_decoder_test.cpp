// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/stream_decoder.hpp"

#include <string>

#include "posttrain/text/tokenizer/byte_alphabet.hpp"
#include "posttrain/unicode/utf8.hpp"
#include "support/catch.hpp"
#include "support/tiny_tokenizer.hpp"

using posttrain::TokenId;
using posttrain::TokenIds;
using posttrain::test::byte_fallback;
using posttrain::test::byte_level;
using posttrain::text::StreamDecoder;
using posttrain::text::Tokenizer;

namespace {

Tokenizer make(const nlohmann::json& description) {
  return Tokenizer::from_json(description.dump());
}

}  // namespace

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

TEST_CASE("Streaming can leave special tokens out") {
  const Tokenizer level = make(byte_level({}, {"<|end|>"}));
  StreamDecoder with(level), without(level, true);
  CHECK(with.push(256) == "<|end|>");
  CHECK(without.push(256).empty());
  CHECK(without.push('a') == "a");
}
