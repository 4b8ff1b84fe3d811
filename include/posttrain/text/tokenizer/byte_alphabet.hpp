// SPDX-License-Identifier: Apache-2.0
// The byte alphabet of byte-level BPE (GPT-2): every byte is written as one printable character.
//
// Printable Latin-1 bytes stand for themselves, the other 68 for U+0100, U+0101, … in order.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "posttrain/unicode/utf8.hpp"

namespace posttrain::text {

class ByteAlphabet {
 public:
  static const ByteAlphabet& get() {
    static const ByteAlphabet alphabet;
    return alphabet;
  }

  /// The character that stands for a byte, in UTF-8.
  const std::string& character(unsigned char byte) const { return characters_[byte]; }

  /// The byte that a character stands for, or −1.
  int byte(char32_t character) const { return character < bytes_.size() ? bytes_[character] : -1; }

  std::string encode(std::string_view bytes) const {
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const char b : bytes) out += characters_[static_cast<unsigned char>(b)];
    return out;
  }

  /// Appends the bytes of a token; a token with a foreign character stands for its own UTF-8.
  void decode(std::string_view token, std::string& out) const {
    const std::size_t start = out.size();
    for (std::size_t i = 0; i < token.size();) {
      const CodePoint point = decode_utf8(token, i);
      const int b = byte(point.code);
      if (b < 0) {
        out.resize(start);
        out += token;
        return;
      }
      out += static_cast<char>(b);
      i += point.size;
    }
  }

 private:
  ByteAlphabet() {
    bytes_.fill(-1);
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const bool printable =
          (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
      const char32_t code = printable ? static_cast<char32_t>(b) : next++;
      characters_[static_cast<std::size_t>(b)] = to_utf8(code);
      bytes_[code] = static_cast<std::int16_t>(b);
    }
  }

  std::array<std::string, 256> characters_;
  std::array<std::int16_t, 0x144> bytes_{};
};

}  // namespace posttrain::text
