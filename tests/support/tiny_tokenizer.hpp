// SPDX-License-Identifier: Apache-2.0
// Small tokenizers for tests, as tokenizer.json texts.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/text/tokenizer/byte_alphabet.hpp"

namespace posttrain::test {

inline nlohmann::json added_token(int id, const std::string& content, bool special = true) {
  return {{"id", id},        {"content", content}, {"special", special},  {"normalized", false},
          {"lstrip", false}, {"rstrip", false},    {"single_word", false}};
}

/// Byte-level BPE: ids 0 to 255 are the bytes, then the merges ("h e" → 256, …), then `added`.
inline nlohmann::json byte_level(const std::vector<std::string>& merges,
                                 const std::vector<std::string>& added) {
  nlohmann::json vocab = nlohmann::json::object();
  for (int b = 0; b < 256; ++b) {
    vocab[text::ByteAlphabet::get().character(static_cast<unsigned char>(b))] = b;
  }
  int next = 256;
  for (const std::string& merge : merges) {
    std::string token = merge;
    token.erase(token.find(' '), 1);
    vocab[token] = next++;
  }
  nlohmann::json tokens = nlohmann::json::array();
  for (const std::string& content : added) tokens.push_back(added_token(next++, content));
  const nlohmann::json level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  return {
      {"added_tokens", tokens}, {"normalizer", nullptr},
      {"pre_tokenizer", level}, {"post_processor", nullptr},
      {"decoder", level},       {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}}};
}

/// Byte-fallback BPE in the manner of Llama 2: "<unk>" 0, "<s>" 1, "</s>" 2, bytes 3 to 258, then
/// `pieces` with `merges` between them.
inline nlohmann::json byte_fallback(const std::vector<std::string>& pieces,
                                    const std::vector<std::string>& merges) {
  nlohmann::json vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  for (int b = 0; b < 256; ++b) vocab[fmt::format("<0x{:02X}>", b)] = 3 + b;
  int next = 259;
  for (const std::string& piece : pieces) vocab[piece] = next++;
  const auto replace = [](const char* from, const char* to) {
    return nlohmann::json{{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
  };
  return {
      {"added_tokens", {added_token(0, "<unk>"), added_token(1, "<s>"), added_token(2, "</s>")}},
      {"normalizer",
       {{"type", "Sequence"},
        {"normalizers", {{{"type", "Prepend"}, {"prepend", "\u2581"}}, replace(" ", "\u2581")}}}},
      {"pre_tokenizer", nullptr},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single",
         {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
          {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
        {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {1}}, {"tokens", {"<s>"}}}}}}}},
      {"decoder",
       {{"type", "Sequence"},
        {"decoders",
         {replace("\u2581", " "),
          {{"type", "ByteFallback"}},
          {{"type", "Fuse"}},
          {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}}},
      {"model",
       {{"type", "BPE"},
        {"vocab", vocab},
        {"merges", merges},
        {"unk_token", "<unk>"},
        {"fuse_unk", true},
        {"byte_fallback", true}}}};
}

}  // namespace posttrain::test
