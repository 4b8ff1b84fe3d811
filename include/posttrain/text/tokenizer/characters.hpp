// SPDX-License-Identifier: Apache-2.0
// Character classes as one table lookup per character, built once from utf8proc's properties.
//
// The scanners and pre-tokenizers of a tokenizer ask for them character by character; utf8proc's
// own look-up goes through two tables and a large record.
#pragma once

#include <utf8proc.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

class CharacterClasses {
 public:
  enum Class : std::uint8_t {
    kLetter = 1,        // \p{L}
    kNumber = 2,        // \p{N}
    kSpace = 4,         // White_Space
    kWord = 8,          // \w of Unicode: alphabetic, marks, decimal digits, connectors, joiners
    kPunctuation = 16,  // \p{P}
    kMark = 32,         // \p{M}
    kNewline = 64,      // \r and \n
    kNotNfc = 128       // may change under NFC, alone or behind another character
  };

  static const CharacterClasses& get() {
    static const CharacterClasses classes;
    return classes;
  }

  std::uint8_t operator()(char32_t c) const {
    return c < kEnd ? blocks_[block_of_[c >> 8U]][c & 0xFFU] : std::uint8_t{0};
  }

  bool is(char32_t c, unsigned classes) const { return ((*this)(c)&classes) != 0; }

  /// Whether NFC leaves valid UTF-8 as it is; true is certain, false is not.
  bool is_nfc(std::string_view text) const {
    for (std::size_t i = 0; i < text.size();) {
      if (static_cast<unsigned char>(text[i]) < 0x80) {
        ++i;
        continue;
      }
      const CodePoint point = decode_utf8(text, i);
      if (is(point.code, kNotNfc)) return false;
      i += point.size;
    }
    return true;
  }

 private:
  static constexpr char32_t kEnd = 0x110000;
  using Block = std::array<std::uint8_t, 256>;

  CharacterClasses() : block_of_(kEnd >> 8U, 0) {
    blocks_.emplace_back();  // all zero: unassigned and private
    std::vector<std::uint8_t> flags(0x40000);
    for (char32_t c = 0; c < flags.size(); ++c) flags[c] |= classes_of(c, flags);
    add(flags, 0);
    flags.assign(0x1000, 0);  // the variation selectors of plane 14
    for (char32_t c = 0; c < flags.size(); ++c) {
      if (const auto k = category(c + 0xE0000); k == UTF8PROC_CATEGORY_MN) flags[c] = kMark | kWord;
    }
    add(flags, 0xE0000);
  }

  void add(const std::vector<std::uint8_t>& flags, char32_t first) {
    for (std::size_t b = 0; b < flags.size(); b += 256) {
      Block block{};
      bool used = false;
      for (std::size_t i = 0; i < 256; ++i) used |= (block[i] = flags[b + i]) != 0;
      if (!used) continue;
      block_of_[(first + b) >> 8U] = static_cast<std::uint16_t>(blocks_.size());
      blocks_.push_back(block);
    }
  }

  static std::uint8_t classes_of(char32_t c, std::vector<std::uint8_t>& flags) {
    const auto code = static_cast<utf8proc_int32_t>(c);
    const utf8proc_property_t& property = *utf8proc_get_property(code);
    const auto k = static_cast<utf8proc_category_t>(property.category);
    unsigned out = 0;
    if (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) out |= kLetter | kWord;
    if (k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME) out |= kMark | kWord;
    if (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO) out |= kNumber;
    if (k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL) out |= kWord;
    if (k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO) out |= kPunctuation;
    if (k == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D) out |= kWord;
    // Alphabetic symbols: letters in circles and squares.
    if ((c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
        (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189)) {
      out |= kWord;
    }
    if (is_whitespace(c)) out |= kSpace;
    if (c == '\r' || c == '\n') out |= kNewline;
    if (property.combining_class != 0) out |= kNotNfc;
    if (property.decomp_seqindex != UINT16_MAX && property.decomp_type == 0) {
      // Every character behind the first of a decomposition may compose with one before it.
      std::array<utf8proc_int32_t, 18> parts{};
      const auto count =
          utf8proc_decompose_char(code, parts.data(), parts.size(), UTF8PROC_DECOMPOSE, nullptr);
      for (utf8proc_ssize_t i = 1; i < count; ++i) {
        const auto part = static_cast<std::size_t>(parts[static_cast<std::size_t>(i)]);
        if (part < flags.size()) flags[part] |= kNotNfc;
      }
      // A decomposition of one character, and those that do not compose again, change alone.
      std::array<utf8proc_int32_t, 18> again = parts;
      const auto composed = utf8proc_normalize_utf32(
          again.data(), count, static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
      if (composed != 1 || again[0] != code) out |= kNotNfc;
    }
    // Hangul is composed by rule: vowels and final consonants join what precedes them.
    if ((c >= 0x1161 && c <= 0x1175) || (c >= 0x11A8 && c <= 0x11C2)) out |= kNotNfc;
    return static_cast<std::uint8_t>(out);
  }

  std::vector<std::uint16_t> block_of_;
  std::vector<Block> blocks_;
};

}  // namespace posttrain::text
