// SPDX-License-Identifier: Apache-2.0
// Definitions of choice.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/rewards/choice.hpp"
#include "posttrain/rewards/text/parts.hpp"

namespace posttrain {

namespace detail {

/// Part of a word: letters (of any script), digits, _.
inline bool in_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

inline char upper_byte(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

/// A text read from left to right, signs and words of markup passed over.
class ChoiceScanner {
 public:
  ChoiceScanner(std::string_view text, std::size_t at) : text_(text), at_(at) {}

  std::size_t at() const { return at_; }
  char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip(std::string_view set) {
    while (at_ < text_.size() && set.find(text_[at_]) != set.npos) ++at_;
  }
  /// Spaces, bold type, dollar signs, quotes, opening brackets, LaTeX's words for upright letters.
  void skip_markup() {
    for (;;) {
      const std::size_t before = at_;
      skip(" \t\r\n*_`$\"'([{<");
      for (const std::string_view word :
           {"\\text", "\\textbf", "\\mathrm", "\\mathbf", "\\(", "\\["}) {
        const std::string_view rest = text_.substr(at_);
        if (rest.starts_with(word) &&
            (word.size() == 2 || rest.substr(word.size()).starts_with('{'))) {
          at_ += word.size();
        }
      }
      if (at_ == before) return;
    }
  }
  /// The word at this place, in lower case; the scanner stands behind it.
  std::string word() {
    std::string word;
    while (at_ < text_.size() && in_word(text_[at_])) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(text_[at_++])));
    }
    return word;
  }

 private:
  std::string_view text_;
  std::size_t at_;
};

/// Whether the capital A or I at `at`, bare, is a word: an article before a noun, a pronoun.
inline bool is_article_or_pronoun(std::string_view text, std::size_t at) {
  if (text[at] != 'A' && text[at] != 'I') return false;
  ChoiceScanner behind(text, at + 1);
  if (behind.next() != ' ') return false;
  behind.skip(" ");
  if (!in_word(behind.next())) return false;
  const std::string word = behind.word();
  for (const std::string_view reason :
       {"because", "since", "due", "as", "given", "where", "which", "while", "although"}) {
    if (word == reason && (text[at] == 'A' || reason.size() > 2)) return false;
  }
  if (text[at] == 'A' && (word == "is" || word == "and" || word == "or" || word == "but")) {
    return false;
  }
  return true;
}

/// Whether the character behind a letter makes both something else: "B-52", "A's", "C++", "C#".
inline bool belongs_to_name(std::string_view text, std::size_t end) {
  const char next = end < text.size() ? text[end] : '\0';
  const char after = end + 1 < text.size() ? text[end + 1] : '\0';
  return next == '+' || next == '#' || in_word(next) ||
         ((next == '-' || next == '\'' || next == '&') && in_word(after));
}

/// Whether a second letter follows the one that ends at `end`: "B or C", "B and C", "B/C", "B, C".
inline bool names_another(std::string_view text, std::size_t end, std::string_view letters) {
  ChoiceScanner behind(text, end);
  behind.skip(" )]}*`$\"'>");
  const bool sign = behind.next() == '/' || behind.next() == '&' || behind.next() == ',';
  if (sign) behind.skip("/&, ");
  ChoiceScanner joined = behind;
  const std::string word = joined.word();
  const bool conjunction = word == "or" || word == "and";
  if (!sign && !conjunction) return false;
  if (conjunction) behind = joined;
  behind.skip_markup();
  const std::size_t other = behind.at();
  if (other >= text.size() || letters.find(text[other]) == letters.npos) return false;
  if (behind.word().size() != 1 || is_article_or_pronoun(text, other)) return false;
  // "B, C is wrong" and "B and C is wrong" go on in another sentence.
  behind.skip(" )]}*`$\"'>");
  return behind.word() != "is";
}

struct StatedLetter {
  std::size_t at = 0;  // in bytes of the text
  bool several = false;
};

/// The letter that a text states behind "answer", "option" or "choice", which ends at `at`: "is B",
/// ": (B)", "is the option B". None where other words stand between.
inline std::optional<StatedLetter> stated_letter(std::string_view text, std::size_t at,
                                                 std::string_view letters) {
  constexpr int kMostWords = 8;
  ChoiceScanner ahead(text, at);
  bool said = false;
  for (int words = 0; words < kMostWords; ++words) {
    const std::size_t before = ahead.at();
    ahead.skip_markup();
    while (ahead.next() == ':' || ahead.next() == '=') {
      said = true;
      ahead.skip(":=");
      ahead.skip_markup();
    }
    const std::size_t letter = ahead.at();
    const std::string word = ahead.word();
    if (word.size() == 1 && said && letters.find(text[letter]) != letters.npos) {
      const bool enclosed =
          letter > before &&
          std::string_view("([{*`$\"'<").find(text[letter - 1]) != std::string_view::npos;
      if (belongs_to_name(text, letter + 1)) return std::nullopt;
      if (!enclosed && is_article_or_pronoun(text, letter)) return std::nullopt;
      return StatedLetter{letter, names_another(text, letter + 1, letters)};
    }
    if (word == "is" || word == "be" || word == "was") {
      said = true;
      continue;
    }
    constexpr std::array<std::string_view, 15> kBetween{
        "the",    "correct", "final",  "best",   "right",     "would",   "should",    "must",
        "answer", "option",  "choice", "letter", "therefore", "clearly", "definitely"};
    if (std::find(kBetween.begin(), kBetween.end(), word) == kBetween.end()) return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace detail

POSTTRAIN_INLINE void Choice::validate() const {
  if (letters.empty()) fail("posttrain: Choice.letters must not be empty");
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const char c = letters[i];
    const bool known = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!known || letters.find(c, i + 1) != letters.npos) {
      raise("expected Choice.letters to be different capitals or digits, got '{}'", letters);
    }
  }
}

POSTTRAIN_INLINE char Choice::bare_letter(std::string_view text, bool any_case) const {
  detail::ChoiceScanner scanner(text, 0);
  scanner.skip_markup();
  const char letter = any_case ? detail::upper_byte(scanner.next()) : scanner.next();
  if (letter == '\0' || letters.find(letter) == letters.npos) return '\0';
  detail::ChoiceScanner behind(text, scanner.at() + 1);
  behind.skip(" \t\r\n*_`$\"'()[]{}<>.,:;!\\");
  return behind.at() == text.size() ? letter : '\0';
}

POSTTRAIN_INLINE char Choice::gold(std::string_view answer) const {
  const rewards::LastBox box = rewards::last_box(answer);
  return bare_letter(box.found ? box.content : answer, /*any_case=*/true);
}

POSTTRAIN_INLINE void Choice::check_answer(std::string_view answer) const {
  if (gold(answer) == '\0') {
    raise(
        "expected one of the letters {} as answer, got '{}'; hint: Choice.letters says which there "
        "are",
        letters, answer);
  }
}

POSTTRAIN_INLINE Verdict Choice::operator()(const Sample& sample) const {
  const char wanted = gold(sample.answer);
  if (wanted == '\0') return Verdict::not_applicable("the record's answer is none of the letters");
  const auto part = rewards::judged_part(sample.completion, after_think);
  if (!part) return Verdict::of(0.0, "", rewards::kNoEndOfThoughts);
  const std::string_view text = *part;

  char found = '\0';
  std::size_t place = 0;
  std::string problem = "no choice";
  if (lone) found = bare_letter(text, /*any_case=*/false);
  for (std::size_t at = 0; at < text.size();) {
    if (!detail::in_word(text[at])) {
      ++at;
      continue;
    }
    detail::ChoiceScanner scanner(text, at);
    const std::string word = scanner.word();
    at = scanner.at();
    if (word != "answer" && word != "option" && word != "choice") continue;
    const auto stated = detail::stated_letter(text, at, letters);
    if (!stated) continue;
    found = stated->several ? '\0' : text[stated->at];
    if (stated->several) problem = "several letters";
    place = stated->at;
  }
  const rewards::LastBox box = rewards::last_box(text);
  if (box.found && box.end > place) {
    found = box.terminated ? bare_letter(box.content, /*any_case=*/true) : '\0';
    problem = box.terminated ? "the last box holds no letter" : "the last box does not end";
  }
  if (found == '\0') return Verdict::of(0.0, "", problem);
  return Verdict::of(found == wanted ? 1.0 : 0.0, std::string(1, found),
                     found == wanted ? "the right letter" : "another letter");
}

}  // namespace posttrain
