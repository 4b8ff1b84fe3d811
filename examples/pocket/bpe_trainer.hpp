// SPDX-License-Identifier: Apache-2.0
// Trains a byte-level byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909; byte alphabet and
// word pattern of GPT-2) with every digit a token of its own.
//
// The pair with the highest count is merged; ties go to the smaller left, then right token id, so
// the result depends on nothing but the text. Pairs are recounted for every merge: the corpus is
// first reduced to its few thousand different words, so this takes a second. The word pattern is
// written out for ASCII text; other bytes are refused here (the tokenizer itself encodes any text).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "posttrain/base/error.hpp"

namespace pocket {

/// The printable stand-in for each byte in tokenizer.json (GPT-2's table), as UTF-8.
inline const std::array<std::string, 256>& byte_symbols() {
  static const auto table = [] {
    std::array<std::string, 256> symbols;
    unsigned shifted = 256;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const bool printable =
          (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
      const unsigned code = printable ? byte : shifted++;
      if (code < 128)
        symbols[byte] = std::string(1, static_cast<char>(code));
      else
        symbols[byte] = {static_cast<char>(0xC0u | (code >> 6)),
                         static_cast<char>(0x80u | (code & 63u))};
    }
    return symbols;
  }();
  return table;
}

/// Splits ASCII text as Digits(individual_digits) then ByteLevel(use_regex) do. Throws `Error` for
/// other bytes.
inline std::vector<std::string_view> split_words(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  const auto other = [&](char c) { return !letter(c) && !digit(c) && !space(c); };
  std::vector<std::string_view> words;
  for (std::size_t begin = 0; begin < text.size();) {
    if (static_cast<unsigned char>(text[begin]) >= 128)
      posttrain::raise(
          "expected ASCII text to train the tokenizer, got byte {} at offset {}; hint: "
          "the pocket world is written in ASCII",
          static_cast<unsigned char>(text[begin]), begin);
    if (digit(text[begin])) {
      words.push_back(text.substr(begin++, 1));
      continue;
    }
    // A stretch without digits ends the text for the word pattern (its look-ahead included).
    std::size_t stop = begin;
    while (stop < text.size() && !digit(text[stop])) ++stop;
    const std::string_view stretch = text.substr(begin, stop - begin);
    for (std::size_t i = 0; i < stretch.size();) {
      std::size_t end = i;
      static constexpr std::string_view kEndings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
      for (const auto ending : kEndings)
        if (end == i && stretch.substr(i, ending.size()) == ending) end = i + ending.size();
      if (end == i) {
        std::size_t start = i + (stretch[i] == ' ' && i + 1 < stretch.size() ? 1 : 0);
        if (letter(stretch[start]))
          for (end = start; end < stretch.size() && letter(stretch[end]);) ++end;
        else if (other(stretch[start]))
          for (end = start; end < stretch.size() && other(stretch[end]);) ++end;
        else {
          for (end = i; end < stretch.size() && space(stretch[end]);) ++end;
          if (end < stretch.size() && end - i > 1) --end;  // \s+(?!\S): the last one starts a word
        }
      }
      words.push_back(stretch.substr(i, end - i));
      i = end;
    }
    begin = stop;
  }
  return words;
}

struct Bpe {
  std::vector<std::string> special;              // ids 0 …
  std::vector<std::string> tokens;               // all, in byte symbols; index = id
  std::vector<std::pair<int, int>> merges;       // by rank
  std::map<std::pair<int, int>, int> merged_id;  // pair -> token; the smaller id merges first

  int byte_id(unsigned char byte) const { return static_cast<int>(special.size()) + byte; }

  /// Token ids of ASCII text without special tokens.
  std::vector<int> encode(std::string_view text) const {
    std::vector<int> ids;
    for (const auto word : split_words(text)) {
      std::vector<int> symbols;
      for (const char c : word) symbols.push_back(byte_id(static_cast<unsigned char>(c)));
      for (;;) {
        int best = -1;
        for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
          const auto found = merged_id.find({symbols[i], symbols[i + 1]});
          if (found != merged_id.end() && (best < 0 || found->second < best)) best = found->second;
        }
        if (best < 0) break;
        const auto pair = merges[static_cast<std::size_t>(best - byte_id(0)) - 256];
        std::size_t out = 0;
        for (std::size_t i = 0; i < symbols.size(); ++i, ++out) {
          const bool hit =
              i + 1 < symbols.size() && symbols[i] == pair.first && symbols[i + 1] == pair.second;
          symbols[out] = hit ? best : symbols[i];
          i += hit ? 1 : 0;
        }
        symbols.resize(out);
      }
      ids.insert(ids.end(), symbols.begin(), symbols.end());
    }
    return ids;
  }
};

/// Learns merges until `vocab_size` tokens exist (special tokens first, then the 256 bytes, then
/// the merges) or no pair occurs at least `min_count` times.
inline Bpe train_bpe(const std::vector<std::string>& texts, std::size_t vocab_size,
                     const std::vector<std::string>& special, std::int64_t min_count = 2) {
  if (vocab_size < special.size() + 256)
    posttrain::raise(
        "expected a vocabulary of at least {} tokens, got {}; hint: {} special tokens "
        "and 256 bytes",
        special.size() + 256, vocab_size, special.size());
  Bpe bpe;
  bpe.special = special;
  bpe.tokens = special;
  for (const auto& symbol : byte_symbols()) bpe.tokens.push_back(symbol);

  std::map<std::string, std::int64_t, std::less<>> counts;
  for (const auto& text : texts)
    for (const auto word : split_words(text)) {
      const auto found = counts.find(word);
      if (found == counts.end())
        counts.emplace(word, 1);
      else
        ++found->second;
    }
  std::vector<std::pair<std::vector<int>, std::int64_t>> words;
  for (const auto& [word, count] : counts) {
    std::vector<int> symbols;
    for (const char c : word) symbols.push_back(bpe.byte_id(static_cast<unsigned char>(c)));
    words.emplace_back(std::move(symbols), count);
  }
  while (bpe.tokens.size() < vocab_size) {
    std::map<std::pair<int, int>, std::int64_t> pairs;
    for (const auto& [symbols, count] : words)
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
        pairs[{symbols[i], symbols[i + 1]}] += count;
    std::pair<int, int> best;
    std::int64_t best_count = 0;
    for (const auto& [pair, count] : pairs)  // in order of ids: the first maximum wins ties
      if (count > best_count) std::tie(best, best_count) = std::pair(pair, count);
    if (best_count < min_count) break;
    const int id = static_cast<int>(bpe.tokens.size());
    bpe.tokens.push_back(bpe.tokens[static_cast<std::size_t>(best.first)] +
                         bpe.tokens[static_cast<std::size_t>(best.second)]);
    bpe.merges.push_back(best);
    bpe.merged_id.emplace(best, id);
    for (auto& [symbols, count] : words) {
      std::size_t out = 0;
      for (std::size_t i = 0; i < symbols.size(); ++i, ++out) {
        const bool hit =
            i + 1 < symbols.size() && symbols[i] == best.first && symbols[i + 1] == best.second;
        symbols[out] = hit ? id : symbols[i];
        i += hit ? 1 : 0;
      }
      symbols.resize(out);
    }
  }
  return bpe;
}

}  // namespace pocket
