// SPDX-License-Identifier: Apache-2.0
#include "posttrain/text/gguf/chat_files.hpp"

#include <nlohmann/json.hpp>

#include "posttrain/io/gguf_writer.hpp"
#include "posttrain/text/chat_tokenizer.hpp"
#include "posttrain/text/tokenizer.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::test::error_of;
using posttrain::test::TempFolder;
using text::ChatFiles;
using text::Tokenizer;

namespace {

ChatFiles files_of(const io::GgufMetadata& metadata) {
  const TempFolder scratch;
  io::GgufWriter(scratch / "x.gguf", metadata, {}).finish();
  return text::gguf_chat_files(io::GgufModel(scratch / "x.gguf"));
}

std::string error(const io::GgufMetadata& metadata) {
  return error_of([&] { files_of(metadata); });
}

/// "a", "b", " " (as GPT-2 writes it), a digit, merges, an end, a token that users add.
io::GgufMetadata bytes(const char* pre = "gpt-2") {
  io::GgufMetadata metadata;
  metadata.text("tokenizer.ggml.model", "gpt2");
  metadata.text("tokenizer.ggml.pre", pre);
  metadata.texts("tokenizer.ggml.tokens",
                 {"a", "b", "Ġ", "ab", "Ġab", "1", "11", "<s>", "</s>", "<user>", "[PAD10]"});
  metadata.i32s("tokenizer.ggml.token_type",
                std::vector<std::int32_t>{1, 1, 1, 1, 1, 1, 1, 3, 3, 4, 5});
  metadata.texts("tokenizer.ggml.merges", {"a b", "Ġ ab", "1 1"});
  metadata.u32("tokenizer.ggml.bos_token_id", 7);
  metadata.u32("tokenizer.ggml.eos_token_id", 8);
  return metadata;
}

/// A SentencePiece vocabulary: bytes, letters, and words whose scores decide what is put together.
io::GgufMetadata pieces() {
  io::GgufMetadata metadata;
  metadata.text("tokenizer.ggml.model", "llama");
  std::vector<std::string> tokens{"<unk>", "<s>", "</s>"};
  std::vector<std::int32_t> types{2, 3, 3};
  std::vector<float> scores{0, 0, 0};
  const auto add = [&](const std::string& token, std::int32_t type, float score) {
    tokens.push_back(token);
    types.push_back(type);
    scores.push_back(score);
  };
  for (int byte = 0; byte < 256; ++byte) add(fmt::format("<0x{:02X}>", byte), 6, 0);
  for (const char* letter : {"▁", "a", "b", "c"}) add(letter, 1, -10);
  add("ab", 1, -2);
  add("bc", 1, -1);
  add("▁a", 1, -3);
  metadata.texts("tokenizer.ggml.tokens", tokens);
  metadata.i32s("tokenizer.ggml.token_type", types);
  metadata.f32s("tokenizer.ggml.scores", scores);
  metadata.u32("tokenizer.ggml.bos_token_id", 1);
  metadata.u32("tokenizer.ggml.eos_token_id", 2);
  metadata.u32("tokenizer.ggml.unknown_token_id", 0);
  return metadata;
}

}  // namespace

TEST_CASE("a byte-level tokenizer out of a GGUF file", "[text]") {
  const Tokenizer tokenizer = Tokenizer::from_json(files_of(bytes()).tokenizer);
  CHECK(tokenizer.encode("ab ab<user>11</s>") == TokenIds{3, 4, 9, 6, 8});
  CHECK(tokenizer.decode(TokenIds{3, 4, 9}) == "ab ab<user>");
  CHECK_FALSE(tokenizer.id("[PAD10]").has_value());
  // Digits alone, where the name says so.
  CHECK(Tokenizer::from_json(files_of(bytes("smollm")).tokenizer).encode("11") == TokenIds{5, 5});

  // BOS and EOS: as the keys say, else as llama.cpp takes it for the kind.
  const auto encoded = [](const io::GgufMetadata& metadata) {
    return Tokenizer::from_json(files_of(metadata).tokenizer).encode("ab", true);
  };
  CHECK(encoded(bytes("llama-bpe")) == TokenIds{7, 3});
  io::GgufMetadata without = bytes("llama-bpe");
  without.boolean("tokenizer.ggml.add_bos_token", false);
  without.boolean("tokenizer.ggml.add_eos_token", true);
  CHECK(encoded(without) == TokenIds{3, 8});
  // Normal forms are part of Qwen2's tokenizer.
  CHECK(Json::parse(files_of(bytes("qwen2")).tokenizer).at("normalizer").at("type") == "NFC");
  CHECK(Json::parse(files_of(bytes("llama3")).tokenizer).at("model").at("ignore_merges") == true);
}

TEST_CASE("a SentencePiece tokenizer out of a GGUF file", "[text]") {
  const Tokenizer tokenizer = Tokenizer::from_json(files_of(pieces()).tokenizer);
  const auto id = [&](const char* token) { return tokenizer.id(token).value(); };
  // "bc" has the best score, then "ab", then "▁a".
  CHECK(tokenizer.encode("abc", true) == TokenIds{1, id("▁a"), id("bc")});
  CHECK(tokenizer.encode("ab", true) == TokenIds{1, id("▁"), id("ab")});
  CHECK(tokenizer.encode("a\n", true) == TokenIds{1, id("▁a"), id("<0x0A>")});
  CHECK(tokenizer.decode(TokenIds{id("▁a"), id("bc"), id("<0x0A>")}) == "abc\n");
  const Json merges = Json::parse(files_of(pieces()).tokenizer).at("model").at("merges");
  CHECK(merges == Json::parse(R"([["b", "c"], ["a", "b"], ["▁", "a"]])"));

  io::GgufMetadata gemma = pieces();
  gemma.boolean("tokenizer.ggml.add_space_prefix", false);
  const Tokenizer plain = Tokenizer::from_json(files_of(gemma).tokenizer);
  CHECK(plain.encode("ab", true) == TokenIds{1, id("ab")});
  CHECK(plain.decode(plain.encode(" a"), true) == " a");
}

TEST_CASE("templates, ends of turns and special tokens out of a GGUF file", "[text]") {
  io::GgufMetadata metadata = bytes();
  metadata.u32("tokenizer.ggml.eot_token_id", 9);
  metadata.u32("tokenizer.ggml.eom_token_id", 8);
  metadata.text("tokenizer.chat_template", "{{ messages }}");
  metadata.text("tokenizer.chat_template.rag", "{{ documents }}");
  metadata.texts("tokenizer.chat_templates", {"rag"});
  const ChatFiles files = files_of(metadata);
  CHECK(files.chat_template == "{{ messages }}");
  REQUIRE(files.additional_templates.size() == 1);
  CHECK(files.additional_templates[0].first == "rag");
  CHECK(Json::parse(files.generation_config).at("eos_token_id") == Json::array({8, 9}));
  CHECK(Json::parse(files.tokenizer_config).at("eos_token") == "</s>");
  CHECK(Json::parse(files.tokenizer_config).at("bos_token") == "<s>");
  CHECK(files_of({}).tokenizer.empty());
}

TEST_CASE("tokenizers of GGUF files that are unknown or contradict themselves", "[text][C23]") {
  const auto contains = [](const char* text) { return Catch::Contains(text); };
  CHECK_THAT(error(bytes("tiktoken")),
             contains("\"tiktoken\" is not known, and another way to split text would give other "
                      "tokens; known: gpt-2, phi-2, smollm"));
  io::GgufMetadata none;
  none.text("tokenizer.ggml.model", "bert");
  CHECK_THAT(error(none), contains("\"bert\" is not supported; supported: gpt2, llama"));
  const auto gpt2 = [](std::vector<std::string> tokens, std::vector<std::int32_t> types,
                       std::vector<std::string> merges, std::uint32_t eos = 0) {
    io::GgufMetadata metadata;
    metadata.text("tokenizer.ggml.model", "gpt2");
    metadata.text("tokenizer.ggml.pre", "gpt-2");
    metadata.texts("tokenizer.ggml.tokens", tokens);
    metadata.i32s("tokenizer.ggml.token_type", types);
    metadata.texts("tokenizer.ggml.merges", merges);
    metadata.u32("tokenizer.ggml.eos_token_id", eos);
    return error(metadata);
  };
  CHECK(gpt2({"a", "b"}, {1, 1}, {}) == "");
  CHECK_THAT(gpt2({"a", "a"}, {1, 1}, {}), contains("tokens 0 and 1 are both \"a\""));
  CHECK_THAT(gpt2({"a", "b"}, {1}, {}), contains("a token_type for each of 2 tokens, got 1"));
  CHECK_THAT(gpt2({"a", "b"}, {1, 7}, {}), contains("token 1: expected a type from 1 to 6, got 7"));
  CHECK_THAT(gpt2({"a", "\xff"}, {1, 1}, {}), contains("token 1: expected a text in UTF-8"));
  CHECK_THAT(gpt2({"a", "b"}, {1, 1}, {"ab"}), contains("merges of two tokens"));
  CHECK_THAT(gpt2({"a", "b"}, {1, 1}, {}, 2),
             contains("key 'tokenizer.ggml.eos_token_id': expected one of 2 tokens, got 2"));
  io::GgufMetadata scores;
  scores.text("tokenizer.ggml.model", "llama");
  scores.texts("tokenizer.ggml.tokens", {"a", "b"});
  scores.f32s("tokenizer.ggml.scores", std::vector<float>{0.0F});
  CHECK_THAT(error(scores), contains("a score for each of 2 tokens, got 1"));
}
