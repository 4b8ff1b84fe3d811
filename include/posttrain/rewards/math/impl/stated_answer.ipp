// SPDX-License-Identifier: Apache-2.0
// Definitions of stated_answer.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/rewards/math/parser.hpp"
#include "posttrain/rewards/math/stated_answer.hpp"
#include "posttrain/rewards/math/vocabulary.hpp"
#include "posttrain/rewards/text/characters.hpp"
#include "posttrain/unicode/utf8.hpp"

namespace posttrain::rewards {

namespace detail {

/// Without white space and emphasis (**…**) around it.
inline std::string_view trimmed_statement(std::string_view text) {
  const auto drops = [](char c) { return is_blank(c) || c == '*' || c == '_' || c == '`'; };
  while (!text.empty() && drops(text.front())) text.remove_prefix(1);
  while (!text.empty() && drops(text.back())) text.remove_suffix(1);
  return text;
}

/// Three letters in a row that are no command, function or connective.
inline bool holds_prose(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const bool command = text[i] == '\\';
    std::size_t end = i + (command ? 1 : 0);
    const std::size_t begin = end;
    while (end < text.size() && is_ascii_letter(text[end])) ++end;
    const std::string_view word = text.substr(begin, end - begin);
    if (!command && word.size() >= 3 && !is_function_name(word) && connective(word).empty() &&
        word != "percent" && word != "pct" && word != "sqrt" && word != "infinity") {
      return true;
    }
    i = std::max(end, i + 1);
  }
  return false;
}

inline bool reads(std::string_view text, bool with_words) {
  try {
    const Expression answer = parse_answer(text);
    return with_words || !answer.is(ExpressionKind::words);
  } catch (const Error&) {
    return false;
  }
}

/// Behind the last phrase that announces an answer; npos: there is none.
inline std::size_t behind_announcement(std::string_view text) {
  std::size_t best = std::string_view::npos;
  const auto lower = [&](std::size_t i) {
    const char c = text[i];
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  for (const std::string_view phrase :
       {"answer is", "answer:", "answer :", "answer =", "answer**:", "####"}) {
    for (std::size_t i = 0; i + phrase.size() <= text.size(); ++i) {
      std::size_t k = 0;
      while (k < phrase.size() && lower(i + k) == phrase[k]) ++k;
      if (k == phrase.size() && (best == std::string_view::npos || i + k > best)) best = i + k;
    }
  }
  return best;
}

struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;  // 0: none
};

/// The last formula: $…$ by Pandoc's rule, so that sums of money are none, \(…\) or \[…\].
inline Span last_formula(std::string_view text) {
  Span last;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    std::size_t begin = std::string_view::npos, end = std::string_view::npos;
    if (text[i] == '\\' && (text[i + 1] == '(' || text[i + 1] == '[')) {
      begin = i + 2;
      end = text.find(text[i + 1] == '(' ? "\\)" : "\\]", begin);
    } else if (text[i] == '\\') {
      ++i;
      continue;
    } else if (text[i] == '$') {
      const std::size_t size = text[i + 1] == '$' ? 2 : 1;
      begin = i + size;
      if (begin >= text.size() || (size == 1 && is_blank(text[begin]))) continue;
      end = text.find(size == 2 ? "$$" : "$", begin);
      while (end != std::string_view::npos && end > 0 && text[end - 1] == '\\') {
        end = text.find('$', end + 1);
      }
      const bool money =
          size == 1 && end != std::string_view::npos &&
          (is_blank(text[end - 1]) || (end + 1 < text.size() && is_digit(text[end + 1])));
      if (money) continue;
    }
    if (begin == std::string_view::npos) continue;
    if (end == std::string_view::npos) continue;
    last = {begin, end};
    i = end + (text[end] == '$' && end + 1 < text.size() && text[end + 1] == '$' ? 1 : 0);
    if (text[end] == '\\') ++i;
  }
  return last;
}

/// The last number, with its sign, and with what makes it a percentage or a fraction.
inline Span last_number(std::string_view text) {
  Span last;
  for (std::size_t i = 0; i < text.size();) {
    const bool starts =
        is_digit(text[i]) || (text[i] == '.' && i + 1 < text.size() && is_digit(text[i + 1]));
    if (!starts) {
      ++i;
      continue;
    }
    std::size_t begin = i;
    while (i < text.size() &&
           (is_digit(text[i]) || ((text[i] == '.' || text[i] == ',' || text[i] == '/') &&
                                  i + 1 < text.size() && is_digit(text[i + 1])))) {
      ++i;
    }
    std::size_t end = i;
    if (end < text.size() && text[end] == '%') ++end;
    if (text.substr(end).starts_with("\\%")) end += 2;
    if (begin > 0 && text[begin - 1] == '$') --begin;
    if (begin > 0 && text[begin - 1] == '-' && (begin == 1 || !is_ascii_letter(text[begin - 2]))) {
      --begin;
    }
    if (begin > 0 && is_ascii_letter(text[begin - 1])) continue;  // x2, H2O
    last = {begin, end};
  }
  return last;
}

/// The last formula or number.
inline std::string_view last_of_all(std::string_view text) {
  const Span formula = last_formula(text), number = last_number(text);
  const Span last = formula.end >= number.end ? formula : number;
  return text.substr(last.begin, last.end - last.begin);
}

}  // namespace detail

POSTTRAIN_INLINE std::string stated_answer(std::string_view text) {
  constexpr std::size_t kLongestFormula = 300;
  const std::string_view whole = detail::trimmed_statement(text);
  if (whole.size() <= kLongestFormula && !detail::holds_prose(whole) &&
      detail::reads(whole, false)) {
    return std::string(whole);
  }
  const std::size_t stated = detail::behind_announcement(text);
  if (stated != std::string_view::npos) {
    std::string_view line = text.substr(stated);
    while (!line.empty() &&
           (detail::is_blank(line.front()) || line.front() == '*' || line.front() == ':')) {
      line.remove_prefix(1);
    }
    line = line.substr(0, line.find('\n'));
    const std::string_view sentence = line.substr(0, line.find(". "));
    for (const std::string_view each :
         {detail::trimmed_statement(line), detail::trimmed_statement(sentence)}) {
      const bool words = std::count(each.begin(), each.end(), ' ') <= 2;
      if (each.size() <= kLongestFormula && (words || !detail::holds_prose(each)) &&
          detail::reads(each, words)) {
        return std::string(each);
      }
    }
    const std::string_view last = detail::last_of_all(sentence);
    if (!last.empty()) return std::string(last);
  }
  return std::string(detail::last_of_all(text));
}

}  // namespace posttrain::rewards
