// SPDX-License-Identifier: Apache-2.0
// Real tokenizers: tests/parity/gguf_text_parity.py.
#include "posttrain/text/gguf/metadata.hpp"

#include <nlohmann/json.hpp>

#include "posttrain/text/chat_folder.hpp"
#include "posttrain/text/chat_tokenizer.hpp"
#include "posttrain/text/gguf/chat_files.hpp"
#include "support/catch.hpp"
#include "support/shared_data.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_tokenizer.hpp"

using namespace posttrain;
using posttrain::test::contains;
using posttrain::test::error_of;
using posttrain::test::TempFolder;
using text::ChatFiles;

namespace {

/// All bytes, a merge, an end, a token that users add.
Json byte_tokens() {
  Json tokenizer = posttrain::test::byte_level({"a b"}, {"<s>", "</s>", "<user>"});
  tokenizer["added_tokens"][2]["special"] = false;
  return tokenizer;
}

ChatFiles files_of(const Json& tokenizer) {
  ChatFiles files;
  files.tokenizer = tokenizer.dump();
  files.tokenizer_config = R"({"bos_token": "<s>", "eos_token": "</s>", "chat_template": [
    {"name": "default", "template": "{{ messages[0].content }}</s>"},
    {"name": "tools", "template": "{{ tools }}</s>"}]})";
  files.generation_config = R"({"eos_token_id": [258, 259]})";
  return files;
}

ChatFiles through_gguf(const ChatFiles& files, std::int64_t rows = 270,
                       const char* architecture = "llama") {
  io::GgufMetadata metadata;
  metadata.text("general.architecture", architecture);
  text::add_gguf_tokenizer(metadata, files, rows);
  const TempFolder scratch;
  io::GgufWriter(scratch / "x.gguf", metadata, {}).finish();
  return text::gguf_chat_files(io::GgufModel(scratch / "x.gguf"));
}

/// The complaint about a tokenizer, or nothing.
std::string refused(const Json& tokenizer) {
  const ChatFiles files = files_of(tokenizer);
  return error_of([&] { text::check_gguf_tokenizer(files, through_gguf(files), "x.gguf"); });
}

}  // namespace

TEST_CASE("a byte-level tokenizer comes back, with its ends and templates", "[text]") {
  const ChatFiles files = files_of(byte_tokens()), again = through_gguf(files);
  CHECK(refused(byte_tokens()) == "");
  const text::ChatTokenizer expected(files), found(again);
  for (const char* sample : {"ab a<user>b</s>", "x", ""}) {
    for (const bool special : {false, true}) {
      CHECK(found.tokenizer().encode(sample, special) ==
            expected.tokenizer().encode(sample, special));
    }
  }
  CHECK(found.eos_ids() == std::set<TokenId>{258, 259});
  CHECK(found.bos_token() == "<s>");
  CHECK(found.tokenizer().is_special(258));
  CHECK_FALSE(found.tokenizer().is_special(259));
  CHECK(again.chat_template == "{{ messages[0].content }}</s>");
  CHECK(again.additional_templates ==
        std::vector<std::pair<std::string, std::string>>{{"tools", "{{ tools }}</s>"}});
}

TEST_CASE("a BOS that the tokenizer adds is added again", "[text]") {
  Json tokenizer = byte_tokens();
  tokenizer["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
        {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", Json::array()},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {257}}, {"tokens", {"<s>"}}}}}}};
  CHECK(refused(tokenizer) == "");
  const text::ChatTokenizer found(through_gguf(files_of(tokenizer)));
  CHECK(found.tokenizer().encode("a", true) == TokenIds{257, 'a'});
}

TEST_CASE("SentencePiece's BPE comes back as scores", "[text]") {
  Json tokenizer = posttrain::test::byte_fallback({"▁", "a", "b", "c", "bc", "ab", "▁a", "abc"},
                                                  {"b c", "a b", "▁ a", "ab c", "a bc"});
  ChatFiles files = files_of(tokenizer);
  files.generation_config.clear();
  for (const bool prefix : {true, false}) {
    if (!prefix) {
      tokenizer["normalizer"]["normalizers"].erase(0);
      files.tokenizer = tokenizer.dump();
    }
    const ChatFiles again = through_gguf(files, 270);
    CHECK_NOTHROW(text::check_gguf_tokenizer(files, again, "x.gguf"));
    const text::ChatTokenizer expected(files), found(again);
    for (const char* sample : {"abc", "a ab bc  x é", "cab</s>ab"}) {
      CHECK(found.tokenizer().encode(sample) == expected.tokenizer().encode(sample));
    }
  }
}

TEST_CASE("published tokenizers come back", "[text]") {
  POSTTRAIN_SHARED_OR_SKIP(folder, "data/tokenizers");
  for (const char* name : {"gpt2", "llama-3", "phi-3-mini", "qwen2.5", "smollm-135m"}) {
    INFO(name);
    const ChatFiles files = text::read_chat_files(std::filesystem::path(folder) / name);
    const bool phi3 = name == std::string_view("phi-3-mini");
    const ChatFiles again = through_gguf(files, 160'000, phi3 ? "phi3" : "llama");
    CHECK_NOTHROW(text::check_gguf_tokenizer(files, again, name));
  }
}

TEST_CASE("what llama.cpp has no word for in a tokenizer is refused", "[text]") {
  Json other = byte_tokens();
  other["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"},
         {"pattern", {{"Regex", "[a-z]+"}}},
         {"behavior", "Isolated"},
         {"invert", false}},
        {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
  CHECK(contains(refused(other), "GGUF has no word for this way to split text; it knows gpt-2, "));
  other = byte_tokens();
  other["normalizer"] = {{"type", "Lowercase"}};
  CHECK(contains(refused(other), "this way to split text"));
  other = byte_tokens();
  other["added_tokens"][2]["lstrip"] = true;
  CHECK(contains(refused(other), "lstrip of the added token \"<user>\""));
  other = byte_tokens();
  other["added_tokens"][2]["rstrip"] = true;
  CHECK(contains(refused(other), "the added token \"<user>\" would not swallow the space behind"));
  other = byte_tokens();
  other["model"] = {{"type", "WordLevel"}, {"vocab", {{"a", 0}}}, {"unk_token", "a"}};
  CHECK(contains(refused(other), "a model of type WordLevel"));
  CHECK(contains(error_of([] { through_gguf(files_of(byte_tokens()), 200); }),
                 "expected at most 200 tokens, as many as the embedding has rows, got 260"));
  ChatFiles ends = files_of(byte_tokens());
  ends.generation_config = R"({"eos_token_id": [255, 256, 257, 258]})";
  CHECK(contains(error_of([&] { through_gguf(ends); }), "4 tokens that end generation"));
}
