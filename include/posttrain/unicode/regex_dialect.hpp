// SPDX-License-Identifier: Apache-2.0
// Rewrites a pattern of Oniguruma (Ruby's syntax, Unicode) for PCRE2.
//
// - `\s` is White_Space (PCRE2's holds U+180E, too), `\w` the alphabetic characters, marks, decimal
//   digits, connectors and six Latin-1 numerals, `\h` a hexadecimal digit, `\b` a border of `\w`.
// - The flag m lets the point match line breaks: PCRE2's s.
// - A class may hold classes, and `&&` intersects: both become look-aheads and alternatives.
// - Behind an interval, `+` repeats it (in PCRE2 it is possessive), and `?` makes a fixed one
//   optional; `{,n}` begins at 0.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/base/error.hpp"

namespace posttrain::text {

class RegexDialect {
 public:
  /// `\b` becomes some 300 bytes, so a long pattern would become one that takes long to compile.
  static constexpr std::size_t kLongest = 20000;  // bytes

  explicit RegexDialect(std::string_view pattern) : pattern_(pattern) {
    if (pattern.size() > kLongest) {
      raise("expected a regular expression of at most {} bytes, got {}", kLongest, pattern.size());
    }
  }

  std::string rewritten() {
    std::string out;
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\' && at_ + 1 < pattern_.size()) {
        atom_ = out.size();
        out += escape(pattern_.substr(at_, 2));
        at_ += 2;
        // \p{L}, \x{1F}: not an interval.
        if (std::string_view("pPxokgN").find(out.back()) != std::string_view::npos &&
            pattern_.substr(at_).starts_with('{')) {
          const std::size_t end = std::min(pattern_.find('}', at_), pattern_.size() - 1);
          out += pattern_.substr(at_, end + 1 - at_);
          at_ = end + 1;
        }
      } else if (c == '[') {
        atom_ = out.size();
        out += character_class();
      } else if (c == '{') {
        interval(out);
      } else if (c == '(') {
        groups_.push_back(out.size());
        if (pattern_.substr(at_).starts_with("(?")) {
          out += flags();
        } else {
          out += pattern_[at_++];
        }
      } else {
        if (c == ')' && !groups_.empty()) {
          atom_ = groups_.back();
          groups_.pop_back();
        } else if (c != '*' && c != '+' && c != '?' &&
                   (static_cast<unsigned char>(c) & 0xC0U) != 0x80U) {
          atom_ = out.size();
        }
        out += c;
        ++at_;
      }
    }
    return out;
  }

 private:
  static constexpr std::string_view kSpaces =
      R"(\x{09}-\x{0D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
  static constexpr std::string_view kNoSpaces =
      R"(\x{00}-\x{08}\x{0E}-\x{1F}\x{21}-\x{84}\x{86}-\x{9F}\x{A1}-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027}\x{202A}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{10FFFF})";
  static constexpr std::string_view kWord =
      R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})";

  static std::string in_class(std::string_view items, bool negated = false) {
    return (negated ? "[^" : "[") + std::string(items) + "]";
  }

  /// An escape outside of classes.
  static std::string escape(std::string_view text) {
    switch (text[1]) {
      case 's':
        return in_class(kSpaces);
      case 'S':
        return in_class(kSpaces, true);
      case 'w':
        return in_class(kWord);
      case 'W':
        return in_class(kWord, true);
      case 'h':
        return "[0-9A-Fa-f]";
      case 'H':
        return "[^0-9A-Fa-f]";
      case 'b':
      case 'B': {
        const std::string word = in_class(kWord);
        return text[1] == 'b'
                   ? "(?:(?<=" + word + ")(?!" + word + ")|(?<!" + word + ")(?=" + word + "))"
                   : "(?:(?<=" + word + ")(?=" + word + ")|(?<!" + word + ")(?!" + word + "))";
      }
      default:
        return std::string(text);
    }
  }

  /// An interval behind an atom, or a brace that stands for itself.
  void interval(std::string& out) {
    const auto digits = [&](std::size_t from) {
      std::size_t end = from;
      while (end < pattern_.size() && pattern_[end] >= '0' && pattern_[end] <= '9') ++end;
      return pattern_.substr(from, end - from);
    };
    const std::string_view low = digits(at_ + 1);
    std::size_t end = at_ + 1 + low.size();
    const bool fixed = end >= pattern_.size() || pattern_[end] != ',';
    const std::string_view high = fixed ? low : digits(end + 1);
    if (!fixed) end += 1 + high.size();
    if (end >= pattern_.size() || pattern_[end] != '}' || (low.empty() && high.empty())) {
      atom_ = out.size();
      out += "\\{";
      ++at_;
      return;
    }
    out += "{" + std::string(low.empty() ? "0" : low);
    if (!fixed) out += "," + std::string(high);
    out += "}";
    at_ = end + 1;
    const char next = at_ < pattern_.size() ? pattern_[at_] : '\0';
    if (next == '+' || (next == '?' && fixed)) {
      out.insert(atom_, "(?:");
      out += ")";
    }
  }

  /// "(?" and the flags behind it, if they are flags.
  std::string flags() {
    std::size_t end = at_ + 2;
    while (end < pattern_.size() &&
           std::string_view("imx-").find(pattern_[end]) != std::string_view::npos)
      ++end;
    const bool is_flags = end < pattern_.size() && (pattern_[end] == ':' || pattern_[end] == ')');
    if (!is_flags) end = at_ + 2;
    std::string out(pattern_.substr(at_, end - at_));
    for (std::size_t i = 2; i < out.size(); ++i) {
      if (out[i] == 'm') out[i] = 's';
    }
    at_ = end;
    return out;
  }

  /// A class, from its bracket on, as an expression that matches one character.
  std::string character_class() {
    if (depth_ == kMostClasses) {
      raise("expected a regular expression whose classes nest at most {} deep", kMostClasses);
    }
    ++depth_;
    ++at_;
    const bool negated = at_ < pattern_.size() && pattern_[at_] == '^';
    if (negated) ++at_;
    std::vector<std::string> operands;      // of &&
    std::string items;                      // of the present operand
    std::vector<std::string> alternatives;  // of the present operand, beside the items
    const auto close = [&] {
      if (!items.empty()) alternatives.insert(alternatives.begin(), in_class(items));
      std::string joined;
      for (const std::string& alternative : alternatives) {
        joined += (joined.empty() ? "" : "|") + alternative;
      }
      if (alternatives.size() != 1) joined = "(?:" + (joined.empty() ? "(?!)" : joined) + ")";
      operands.push_back(joined);
      items.clear();
      alternatives.clear();
    };
    bool first = true;
    bool closed = false;
    while (at_ < pattern_.size() && !closed) {
      const char c = pattern_[at_];
      if (c == ']' && !first) {
        closed = true;
        ++at_;
      } else if (c == '[' && pattern_.substr(at_).starts_with("[:")) {
        const std::size_t end = pattern_.find(":]", at_);
        const std::size_t size = end == std::string_view::npos ? 1 : end + 2 - at_;
        items += pattern_.substr(at_, size);
        at_ += size;
      } else if (c == '[') {
        alternatives.push_back(character_class());
      } else if (pattern_.substr(at_).starts_with("&&")) {
        close();
        at_ += 2;
      } else if (c == '\\' && at_ + 1 < pattern_.size()) {
        const char next = pattern_[at_ + 1];
        if (next == 'W' || next == 'H') {
          alternatives.push_back(escape(pattern_.substr(at_, 2)));
        } else {
          items += next == 's'   ? kSpaces
                   : next == 'S' ? kNoSpaces
                   : next == 'w' ? kWord
                   : next == 'h' ? "0-9A-Fa-f"
                                 : pattern_.substr(at_, 2);
        }
        at_ += 2;
      } else {
        items += c;
        ++at_;
      }
      first = false;
    }
    --depth_;
    if (!closed) return negated ? "[^" : "[";  // PCRE2 says what is wrong
    if (operands.empty() && alternatives.empty()) return in_class(items, negated);
    close();
    std::string one = operands.back();
    for (std::size_t i = 0; i + 1 < operands.size(); ++i) one = "(?=" + operands[i] + ")" + one;
    if (negated) return "(?:(?!" + one + R"())[\x{00}-\x{10FFFF}])";
    return "(?:" + one + ")";
  }

  static constexpr int kMostClasses = 100;  // within each other: reading them recurses

  std::string_view pattern_;
  int depth_ = 0;
  std::size_t at_ = 0;
  std::size_t atom_ = 0;             // where what a quantifier repeats begins in the result
  std::vector<std::size_t> groups_;  // where the open ones begin
};

}  // namespace posttrain::text
