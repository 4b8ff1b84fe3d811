// SPDX-License-Identifier: Apache-2.0
// The normalizer "Precompiled": SentencePiece's table of replacements.
//
// The table is a double array (a trie in one array of 32-bit units) whose values are places in a
// list of strings that end in NUL. Graphemes of fewer than six bytes are looked up whole, others
// character by character; as in the `tokenizers` package the first, that is the shortest, key that
// a stretch begins with decides for the whole stretch.
#pragma once

#include <utf8proc.h>

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/text/tokenizer/aligned_text.hpp"
#include "posttrain/text/tokenizer/limits.hpp"

namespace posttrain::text {

class Charsmap {
 public:
  /// Reads the base64 text under "precompiled_charsmap"; errors start with `where`.
  Charsmap(std::string_view base64, std::string_view where) {
    const std::string bytes = decode_base64(base64, where);
    const auto word = [&](std::size_t i) {
      std::uint32_t value = 0;
      for (std::size_t k = 4; k-- > 0;)
        value = value << 8U | static_cast<unsigned char>(bytes[i + k]);
      return value;
    };
    const std::size_t size = bytes.size() < 4 ? 0 : word(0);
    if (bytes.size() < 4 || size > bytes.size() - 4) {
      raise("{}: expected a table under precompiled_charsmap, got one cut short", where);
    }
    units_.reserve(size / 4);
    for (std::size_t i = 0; i + 4 <= size; i += 4) units_.push_back(word(4 + i));
    strings_ = bytes.substr(4 + units_.size() * 4);
    if (!is_valid_utf8(strings_)) raise("{}: precompiled_charsmap holds broken UTF-8", where);
  }

  AlignedText operator()(Piece piece) const {
    std::vector<Change> changes;
    const std::string_view text = piece.text;
    for (std::size_t i = 0; i < text.size();) {
      check_rewriting(changes.size(), piece.most);
      const std::size_t end = grapheme_end(text, i);
      if (end - i < 6) {
        if (const auto found = find(text.substr(i, end - i))) {
          put(changes, text.substr(i, end - i), *found);
          i = end;
          continue;
        }
      }
      while (i < end) {
        const CodePoint point = decode_utf8(text, i);
        const std::string_view character = text.substr(i, point.size);
        if (const auto found = find(character)) {
          put(changes, character, *found);
        } else {
          changes.push_back({point.code, 0});
        }
        i += point.size;
      }
    }
    TextEdit edit(piece);
    for (const Change& change : changes) edit.put(change.code, change.change);
    return edit.finish();
  }

 private:
  static int count(std::string_view text) {
    int n = 0;
    for_each_character(text, [&](char32_t, std::size_t, std::size_t) { ++n; });
    return n;
  }

  /// A character of the result, and its change (TextEdit::put).
  struct Change {
    char32_t code = 0;
    int change = 0;
  };

  /// Characters take the old ones' places one by one; what is left over is new, or falls away with
  /// the character before it. As in the package, what falls away at the very start keeps its place:
  /// offsets lag behind by it.
  static void put(std::vector<Change>& out, std::string_view old, std::string_view replacement) {
    int left = count(old);
    for_each_character(replacement, [&](char32_t c, std::size_t, std::size_t) {
      out.push_back({c, left > 0 ? 0 : 1});
      --left;
    });
    if (left > 0 && !out.empty()) out.back().change -= left;
  }

  static std::size_t grapheme_end(std::string_view text, std::size_t begin) {
    CodePoint point = decode_utf8(text, begin);
    std::size_t at = begin + point.size;
    utf8proc_int32_t state = 0;
    while (at < text.size()) {
      const CodePoint next = decode_utf8(text, at);
      if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(point.code),
                                           static_cast<utf8proc_int32_t>(next.code), &state)) {
        break;
      }
      point = next;
      at += next.size;
    }
    return at;
  }

  std::optional<std::string_view> find(std::string_view key) const {
    if (units_.empty()) return std::nullopt;
    const auto offset = [](std::uint32_t unit) {
      return static_cast<std::size_t>(unit >> 10U) << ((unit & (1U << 9U)) >> 6U);
    };
    std::size_t at = offset(units_[0]);
    for (const char c : key) {
      const auto label = static_cast<unsigned char>(c);
      at ^= label;
      if (label == 0 || at >= units_.size()) break;
      const std::uint32_t unit = units_[at];
      if ((unit & (1U << 31U | 0xFFU)) != label) break;
      at ^= offset(unit);
      if ((unit >> 8U & 1U) != 0 && at < units_.size()) {
        const std::size_t begin = units_[at] & 0x7FFFFFFFU;
        if (begin >= strings_.size()) return std::string_view();
        return std::string_view(strings_).substr(begin, strings_.find('\0', begin) - begin);
      }
    }
    return std::nullopt;
  }

  static std::string decode_base64(std::string_view text, std::string_view where) {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    std::uint32_t bits = 0;
    int held = 0;
    while (!text.empty() && text.back() == '=') text.remove_suffix(1);
    for (const char c : text) {
      const std::size_t digit = kDigits.find(c);
      if (digit == std::string_view::npos) {
        raise("{}: expected base64 under precompiled_charsmap", where);
      }
      bits = bits << 6U | static_cast<std::uint32_t>(digit);
      held += 6;
      if (held >= 8) {
        held -= 8;
        out += static_cast<char>(bits >> static_cast<unsigned>(held) & 0xFFU);
      }
    }
    return out;
  }

  std::vector<std::uint32_t> units_;
  std::string strings_;
};

}  // namespace posttrain::text
