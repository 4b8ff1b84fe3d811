// SPDX-License-Identifier: Apache-2.0
// Definitions of number_text.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/rewards/text/characters.hpp"
#include "posttrain/rewards/text/number_text.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::rewards {

namespace detail {

// Characters of a plain text that stand for others.
inline constexpr char kThin = '\x01';     // a space that groups digits: thin, no-break, \,
inline constexpr char kStrange = '\x02';  // a digit-like character that is no decimal digit: ½, ²
inline constexpr char kOperator = '\x03';  // × ÷ · ∕ ⁄ and LaTeX's names of them
inline constexpr char kCurrency = '\x04';  // €, £, ₹ …; $ stays, it is LaTeX's, too

inline char lower_byte(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

/// One LaTeX command at `text[at]`, a backslash: what it stands for is put out; bytes that it took.
inline std::size_t plain_command(std::string_view text, std::size_t at, std::string& out) {
  std::size_t end = at + 1;
  while (end < text.size() &&
         ((text[end] >= 'a' && text[end] <= 'z') || (text[end] >= 'A' && text[end] <= 'Z'))) {
    ++end;
  }
  if (end == at + 1) {  // a sign
    const char sign = end < text.size() ? text[end] : '\0';
    if (sign == ',' || sign == ';' || sign == ':' || sign == ' ' || sign == '>') out += kThin;
    if (sign == '%') out += '%';
    if (sign == '$') out += '$';
    if (sign == '\\') out += "\\\\";
    if (sign == '(' || sign == ')' || sign == '[' || sign == ']') out += '$';  // math begins, ends
    if (std::string_view(",;: >%$\\()[]!").find(sign) == std::string_view::npos) out += '\\';
    return sign == '\0' ? 1 : 2;
  }
  const std::string_view name = text.substr(at + 1, end - at - 1);
  for (const std::string_view markup :
       {"text", "textnormal", "textrm", "textbf", "textit", "mbox", "mathrm", "mathbf", "mathit",
        "boldsymbol", "bf", "rm", "left", "right", "displaystyle"}) {
    if (name == markup) {
      out += ' ';
      return end - at;
    }
  }
  if (name == "times" || name == "cdot" || name == "div") {
    out += kOperator;
  } else if (name == "circ" || name == "degree") {
    out += "\\circ";
  } else if (name == "quad" || name == "qquad") {
    out += ' ';
  } else {
    out += '\\';  // of another kind: no number
    out += name;
  }
  return end - at;
}

/// The text in fewer characters: ASCII digits and signs, spaces that group, LaTeX's commands for
/// spaces and letters resolved.
inline std::string plain_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '\\') {
      at += plain_command(text, at, out);
      continue;
    }
    if (text.substr(at).starts_with("{,}")) {
      out += ',';
      at += 3;
      continue;
    }
    const text::CodePoint point = text::decode_utf8(text, at);
    const char32_t code = point.code;
    if (code < 0x80) {
      out += static_cast<unsigned char>(c) < 0x20 && c != '\n' ? ' ' : c == '~' ? kThin : c;
    } else if (code >= 0xFF10 && code <= 0xFF19) {  // full width
      out += static_cast<char>('0' + (code - 0xFF10));
    } else if (code == 0xFF0E || code == 0xFF0C || code == 0xFF05 || code == 0xFF0B) {
      out += static_cast<char>(code - 0xFEE0);
    } else if (code == 0x2212 || code == 0xFE63 || code == 0xFF0D || code == 0x2010 ||
               code == 0x2011 || code == 0x2013) {
      out += '-';
    } else if (code == 0x2019) {
      out += '\'';
    } else if (code == 0xA0 || code == 0x2009 || code == 0x202F || code == 0x2007 ||
               code == 0x200A || code == 0x2006) {
      out += kThin;
    } else if (code == 0xB0) {
      out += "\\circ";
    } else if (code == 0xD7 || code == 0xF7 || code == 0xB7 || code == 0x2215 || code == 0x2044 ||
               code == 0x22C5 || code == 0x2219) {
      out += kOperator;
    } else if (text::is_whitespace(code)) {
      out += ' ';
    } else if (text::category(code) == UTF8PROC_CATEGORY_SC) {
      out += kCurrency;
    } else if (text::is_numeric(code)) {
      out += kStrange;
    } else if (text::is_letter(code)) {
      out += text.substr(at, point.size);
    } else {
      out +=
          code == 0x3002 ? '.' : '\x05';  // an ideographic full stop, or a sign that says nothing
    }
    at += point.size;
  }
  return out;
}

inline std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_digit(text[end])) ++end;
  return end - at;
}

/// Words behind a number that change its value.
inline bool is_multiplier(std::string_view word) {
  std::string low;
  for (const char c : word) low += lower_byte(c);
  for (const std::string_view multiplier :
       {"hundred",   "thousand", "million",  "billion",    "trillion",  "dozen", "hundreds",
        "thousands", "millions", "billions", "trillions",  "dozens",    "mn",    "bn",
        "pi",        "sqrt",     "squared",  "cubed",      "factorial", "times", "over",
        "plus",      "minus",    "divided",  "multiplied", "mod",       "half",  "halves",
        "third",     "thirds",   "quarter",  "quarters"}) {
    if (low == multiplier) return true;
  }
  return false;
}

inline bool is_ordinal_suffix(std::string_view word) {
  return word == "st" || word == "nd" || word == "rd" || word == "th";
}

/// A mantissa with its exponent at `at`; 0 bytes where there is none. `plain` is what Decimal
/// reads.
inline std::size_t unsigned_number(std::string_view text, std::size_t at, std::string& plain) {
  std::size_t end = at + digits_at(text, at);
  plain = text.substr(at, end - at);
  // Groups of three behind one to three digits, by one sign.
  if (end > at && end - at <= 3 && end < text.size() &&
      std::string_view(", '\x01").find(text[end]) != std::string_view::npos) {
    const char separator = text[end];
    while (end < text.size() && text[end] == separator && digits_at(text, end + 1) == 3) {
      plain += text.substr(end + 1, 3);
      end += 4;
    }
  }
  if (end < text.size() && text[end] == '.' && digits_at(text, end + 1) > 0) {
    const std::size_t size = digits_at(text, end + 1);
    plain += text.substr(end, size + 1);
    end += size + 1;
  }
  if (end == at) return 0;
  if (plain.front() == '.') plain.insert(0, "0");
  // 1.5e-3
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    std::size_t power = end + 1;
    if (power < text.size() && (text[power] == '-' || text[power] == '+')) ++power;
    const std::size_t size = digits_at(text, power);
    if (size > 0) {
      plain += text.substr(end, power + size - end);
      return power + size - at;
    }
  }
  // 1.5 × 10^{-3}
  std::size_t next = end;
  const auto skip = [&] {
    while (next < text.size() && (text[next] == ' ' || text[next] == kThin)) ++next;
  };
  skip();
  if (next < text.size() && (text[next] == kOperator || text[next] == 'x' || text[next] == '*')) {
    ++next;
    skip();
    if (text.substr(next).starts_with("10^")) {
      next += 3;
      const bool braces = next < text.size() && text[next] == '{';
      if (braces) ++next;
      const std::size_t power = next;
      if (next < text.size() && (text[next] == '-' || text[next] == '+')) ++next;
      const std::size_t size = digits_at(text, next);
      next += size;
      const bool closed = !braces || (next < text.size() && text[next] == '}');
      if (size > 0 && closed) {
        plain += "e" + std::string(text.substr(power, next - power));
        return next + (braces ? 1 : 0) - at;
      }
    }
  }
  return end - at;
}

/// Whether a LaTeX command begins here that is no unit of degrees and no line break.
inline bool is_command(std::string_view text, std::size_t at) {
  const std::string_view rest = text.substr(at);
  return rest.starts_with('\\') && !rest.starts_with("\\circ") && !rest.starts_with("\\\\");
}

/// What follows a number directly and makes it part of something else.
inline bool continues_number(std::string_view text, std::size_t end) {
  if (end >= text.size()) return false;
  const char c = text[end];
  const char next = end + 1 < text.size() ? text[end + 1] : '\0';
  if (is_digit(c) || c == kStrange || c == '_' || c == '!' || c == '(') {
    return true;
  }
  if (c == '^' && !text.substr(end).starts_with("^\\circ") &&
      !text.substr(end).starts_with("^{\\circ}")) {
    return true;
  }
  if (c == '.' || c == ',' || c == '\'' || c == ':' || c == kThin) return is_digit(next);
  if (c == '-') return is_digit(next) || is_word_byte(next) || next == '\\';
  // "5/hour" has a unit, "5/x" and "5/2" are quotients.
  if (c == '/')
    return end + 2 >= text.size() || !is_word_byte(next) || !is_word_byte(text[end + 2]);
  return is_command(text, end);
}

/// Whether the brace that ends at `end` holds an argument of a LaTeX command or a power: the "3"
/// and "4" of \\frac{3}{4} are no numbers of the text. A box holds one.
inline bool opens_argument(std::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  if (at == 0) return false;
  if (text[at - 1] == '}' || text[at - 1] == '^' || text[at - 1] == '_' || text[at - 1] == ']') {
    return true;
  }
  const std::size_t name_end = at;
  while (at > 0 && is_word_byte(text[at - 1])) --at;
  const std::string_view name = text.substr(at, name_end - at);
  return at > 0 && text[at - 1] == '\\' && name != "boxed" && name != "fbox";
}

/// Whether "x" before `end` stands for a multiplication: "5 x 3".
inline bool multiplies(std::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  while (at > 0 && text[at - 1] == ' ') --at;
  return text[end - 1] == 'x' && at > 0 && is_digit(text[at - 1]);
}

/// The sign of a number of the text whose first digit, point or currency stands at `at`; begins at
/// `begin`.
struct Sign {
  bool negative = false;
  bool part = false;  // the number is an operand or a part of a name
  std::size_t begin = 0;
};

inline Sign sign_before(std::string_view text, std::size_t at) {
  Sign sign{false, false, at};
  std::size_t i = at;
  const auto back = [&](std::string_view set) {
    return i > 0 && set.find(text[i - 1]) != std::string_view::npos;
  };
  const auto currency = [&] {
    while (back("$\x04\x01")) --i;
  };
  currency();
  if (back("+-")) {
    sign.negative = text[i - 1] == '-';
    --i;
    currency();
    sign.begin = i;
    // "x-3", "5-3", ")-3": an operation, or a range.
    if (i > 0 && (is_digit(text[i - 1]) || is_word_byte(text[i - 1]) ||
                  std::string_view(")]}!%.\x02").find(text[i - 1]) != std::string_view::npos)) {
      sign.part = true;
    }
    if (back("+-")) sign.part = true;
  } else {
    sign.begin = i;
  }
  std::size_t space = i;
  while (space > 0 && (text[space - 1] == ' ' || text[space - 1] == kThin)) --space;
  if (space > 0) {
    const char c = text[space - 1];
    if (c == '/' || c == '^' || c == kOperator || c == '+' || c == kStrange || c == '\\' ||
        multiplies(text, space) || (c == '{' && opens_argument(text, space))) {
      sign.part = true;
    }
    // "5 * 3", but "**3**" is bold type.
    if (c == '*' && space < i && !(space > 1 && text[space - 2] == '*')) sign.part = true;
    if (c == '-' && space < i) {  // "5 - 3"; "- 3" begins a line of a list, or is a dash
      std::size_t before = space - 1;
      while (before > 0 && text[before - 1] == ' ') --before;
      if (before > 0 && (is_digit(text[before - 1]) || text[before - 1] == ')')) sign.part = true;
    }
  }
  if (i > 0 &&
      (text[i - 1] == '.' || text[i - 1] == ',' || text[i - 1] == ':' || text[i - 1] == '\'' ||
       text[i - 1] == '(') &&
      i > 1 && (is_digit(text[i - 2]) || (text[i - 1] == '(' && is_word_byte(text[i - 2])))) {
    sign.part = true;
  }
  return sign;
}

/// A percent sign or word at `end`, behind spaces; moves `end` behind it.
inline bool skip_percent(std::string_view text, std::size_t& end) {
  std::size_t at = end;
  while (at < text.size() && (text[at] == ' ' || text[at] == kThin || text[at] == '{')) ++at;
  if (at < text.size() && text[at] == '%') {
    end = at + 1;
    return true;
  }
  std::size_t word_end = at;
  std::string word;
  while (word_end < text.size() && is_word_byte(text[word_end])) {
    word += lower_byte(text[word_end++]);
  }
  if (word == "percent" || word == "pct") {
    end = word_end;
    return true;
  }
  return false;
}

/// The word at `at` behind spaces.
inline std::string_view word_behind(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == kThin || text[at] == '{')) ++at;
  std::size_t end = at;
  while (end < text.size() && is_word_byte(text[end])) ++end;
  return text.substr(at, end - at);
}

}  // namespace detail

POSTTRAIN_INLINE std::optional<NumberText> whole_number(std::string_view text) {
  const std::string plain = detail::plain_text(text);
  std::string_view rest = plain;
  constexpr std::string_view kAround = " \n$*`\"\x01{}";
  const auto strip = [&](std::string_view before, std::string_view behind) {
    rest.remove_prefix(std::min(rest.find_first_not_of(before), rest.size()));
    rest = rest.substr(0, rest.find_last_not_of(behind) + 1);
  };
  strip(kAround, " \n$*`\"\x01.,;");
  NumberText number;
  bool negative = false;
  const auto take = [&](std::string_view set) {
    if (rest.empty() || set.find(rest.front()) == std::string_view::npos) return false;
    rest.remove_prefix(1);
    return true;
  };
  const auto currency = [&] {
    while (take("$\x04\x01 ")) {
    }
    if (rest.starts_with("Rs")) rest.remove_prefix(rest.starts_with("Rs.") ? 3 : 2);
    while (take(" \x01")) {
    }
  };
  currency();
  if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) {
    negative = rest.front() == '-';
    rest.remove_prefix(1);
    currency();
  }
  std::string digits;
  const std::size_t size = detail::unsigned_number(rest, 0, digits);
  if (size == 0 || detail::continues_number(rest, size)) return std::nullopt;
  const std::optional<Decimal> value = Decimal::parse((negative ? "-" : "") + digits);
  if (!value) return std::nullopt;
  number.value = *value;
  std::size_t end = size;
  number.percent = detail::skip_percent(rest, end);
  // A unit: words of two letters or more, or anything of letters in braces or behind a space that
  // `\text` left; with a power behind it ("cm^2").
  std::string_view unit = rest.substr(end);
  const bool apart = !unit.empty() &&
                     std::string_view(" {\x01\x04^\\").find(unit.front()) != std::string_view::npos;
  const bool upright = text.find("\\text") != text.npos || text.find("\\mathrm") != text.npos ||
                       text.find("\\mbox") != text.npos;
  bool first = true;
  while (!unit.empty()) {
    if (unit.starts_with("^\\circ") || unit.starts_with("\\circ")) {
      unit.remove_prefix(unit.front() == '^' ? 6 : 5);
    } else if (unit.starts_with("^{\\circ")) {
      unit.remove_prefix(7);
    } else if (first && unit.front() == '/') {  // "5/hour": continues_number has seen the letters
      unit.remove_prefix(1);
    } else if (std::string_view(" {}\x01\x04\n$*.").find(unit.front()) != std::string_view::npos) {
      unit.remove_prefix(1);
    } else if (detail::is_word_byte(unit.front())) {
      std::size_t bytes = 0, letters = 0;
      for (; bytes < unit.size() && detail::is_word_byte(unit[bytes]); ++bytes) {
        letters += (static_cast<unsigned char>(unit[bytes]) & 0xC0U) != 0x80U;
      }
      const std::string_view word = unit.substr(0, bytes);
      if (detail::is_multiplier(word) || (first && !apart && detail::is_ordinal_suffix(word))) {
        return std::nullopt;
      }
      // One letter is a variable ("5x", "5 x"), unless LaTeX calls it text ("5\\,\\mathrm{m}").
      if (first && letters == 1 && !upright) return std::nullopt;
      first = false;
      unit.remove_prefix(bytes);
      while (!unit.empty() && (unit.front() == '}' || unit.front() == ' ')) unit.remove_prefix(1);
      if (unit.starts_with("^{") && unit.size() > 3 && unit[3] == '}') {
        unit.remove_prefix(4);
      } else if (!unit.empty() && unit.front() == '^') {
        unit.remove_prefix(std::min<std::size_t>(2, unit.size()));
      } else if (!unit.empty() && unit.front() == detail::kStrange) {
        unit.remove_prefix(1);
      } else if (!unit.empty() && unit.front() == '/' && unit.size() > 1 &&
                 detail::is_word_byte(unit[1])) {
        unit.remove_prefix(1);
      }
    } else {
      return std::nullopt;
    }
  }
  return number;
}

POSTTRAIN_INLINE std::optional<NumberText> last_number(std::string_view text) {
  const std::string plain = detail::plain_text(text);
  const std::string_view rest = plain;
  std::optional<NumberText> last;
  for (std::size_t at = 0; at < rest.size();) {
    const bool point = rest[at] == '.' && detail::digits_at(rest, at + 1) > 0 &&
                       (at == 0 || !detail::is_digit(rest[at - 1]));
    if (rest[at] == detail::kStrange) last.reset();
    if (!detail::is_digit(rest[at]) && !point) {
      ++at;
      continue;
    }
    std::string digits;
    const std::size_t begin = at;
    std::size_t end = at + detail::unsigned_number(rest, at, digits);
    at = end;
    // A name: "B12", "x_1", "step2".
    if (begin > 0 && (detail::is_word_byte(rest[begin - 1]) || rest[begin - 1] == '_')) {
      while (at < rest.size() && (detail::is_digit(rest[at]) || detail::is_word_byte(rest[at]))) {
        ++at;
      }
      continue;
    }
    std::size_t letters = end;
    while (letters < rest.size() && detail::is_word_byte(rest[letters])) ++letters;
    const std::string_view suffix = rest.substr(end, letters - end);
    if (detail::is_ordinal_suffix(suffix)) {
      at = letters;
      continue;
    }
    const detail::Sign sign = detail::sign_before(rest, begin);
    NumberText number;
    number.percent = detail::skip_percent(rest, end);
    std::optional<Decimal> value = Decimal::parse((sign.negative ? "-" : "") + digits);
    std::size_t behind = end;
    while (behind < rest.size() && (rest[behind] == ' ' || rest[behind] == detail::kThin)) ++behind;
    const bool operand = behind < rest.size() &&
                         (rest[behind] == '/' || rest[behind] == detail::kOperator ||
                          rest[behind] == '^' || detail::is_command(rest, behind)) &&
                         behind > end;
    // A full stop, an exclamation mark and a bracket end a sentence here.
    const bool ends_sentence = end < rest.size() && (rest[end] == '!' || rest[end] == '(');
    if (!value || sign.part || operand || suffix.size() == 1 ||
        (detail::continues_number(rest, end) && !ends_sentence) ||
        (!number.percent && detail::is_multiplier(detail::word_behind(rest, end)) &&
         detail::word_behind(rest, end) != "times")) {
      last.reset();
      continue;
    }
    number.value = *value;
    last = number;
  }
  return last;
}

POSTTRAIN_INLINE bool begins_with_percent(std::string_view text) {
  const std::string plain = detail::plain_text(text);
  std::size_t end = std::min(plain.find_first_not_of("$"), plain.size());
  return detail::skip_percent(plain, end);
}

POSTTRAIN_INLINE std::string without_calculator_marks(std::string_view text) {
  constexpr std::size_t kLongest = 300;  // bytes of one mark: a line's calculation
  std::string out;
  for (std::size_t at = 0;;) {
    const std::size_t begin = text.find("<<", at);
    const std::size_t end =
        begin == text.npos ? text.npos : text.substr(begin, kLongest).find(">>");
    if (begin == text.npos) return out.append(text.substr(at));
    const bool mark = end != text.npos &&
                      text.substr(begin, end).find_first_of("=\n") != text.npos &&
                      text.substr(begin, end).find('\n') == text.npos;
    out.append(text.substr(at, begin - at));
    if (!mark) out.append("<<");
    at = mark ? begin + end + 2 : begin + 2;
  }
}

}  // namespace posttrain::rewards
