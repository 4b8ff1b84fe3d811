// SPDX-License-Identifier: Apache-2.0
// What GGUF says of a tokenizer by number and by name: the type of a token, and the way in which a
// byte-level tokenizer splits text into words.
#pragma once

#include <array>
#include <string_view>

namespace posttrain::text {

/// Types of tokens, by llama.cpp's numbers.
enum class GgufToken {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

/// How a byte-level tokenizer splits text into words.
struct GgufSplit {
  std::string_view name;
  std::string_view pattern;    // of a Split before ByteLevel; empty: GPT-2's own pattern
  bool digits = false;         // each digit alone, before GPT-2's pattern
  bool nfc = false;            // normalised first
  bool ignore_merges = false;  // a word that is a token is that token
  bool bos = false;            // before every text, if nothing is said
};

inline constexpr std::string_view kLlama3Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwen2Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kTekkenWords =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kGpt4oWords =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

inline constexpr std::array<GgufSplit, 16> kGgufSplits{{
    {.name = "gpt-2", .pattern = ""},
    {.name = "phi-2", .pattern = ""},
    {.name = "smollm", .pattern = "", .digits = true},
    {.name = "starcoder", .pattern = "", .digits = true},
    {.name = "refact", .pattern = "", .digits = true},  // Granite 3
    {.name = "codeshell", .pattern = "", .digits = true},
    {.name = "llama-bpe", .pattern = kLlama3Words, .ignore_merges = true, .bos = true},
    {.name = "llama3", .pattern = kLlama3Words, .ignore_merges = true, .bos = true},
    {.name = "llama-v3", .pattern = kLlama3Words, .ignore_merges = true, .bos = true},
    {.name = "dbrx", .pattern = kLlama3Words},
    {.name = "smaug-bpe", .pattern = kLlama3Words},
    {.name = "qwen2", .pattern = kQwen2Words, .nfc = true},
    {.name = "deepseek-r1-qwen", .pattern = kQwen2Words},
    {.name = "tekken", .pattern = kTekkenWords, .ignore_merges = true, .bos = true},
    {.name = "gpt-4o", .pattern = kGpt4oWords},
    {.name = "llama4", .pattern = kGpt4oWords},
}};

}  // namespace posttrain::text
