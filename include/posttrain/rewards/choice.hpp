// SPDX-License-Identifier: Apache-2.0
// 1 where the completion chooses the record's letter, else 0.
//
//   "The answer is (B) because …" · "**Answer:** B" · "Answer: $B" · "\boxed{b}" · "B."
//
// A letter counts where the text says that it is the answer, and where it is all that the text
// says; the last such place counts. Elsewhere letters are words: "a car", "I think" (lm-eval#4188,
// verifiers#763 graded the article). Lower case counts in a box only. "A or B" is no choice.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/rewards/sample.hpp"

namespace posttrain {

struct Choice {
  std::string letters = "ABCDE";  // the choices that there are, in capitals: A to Z, 0 to 9
  bool lone = true;               // a text that is nothing but a letter ("B", "(B).") chooses it
  bool after_think = false;       // reads behind the last </think> only; none: 0

  void validate() const;

  /// An answer is one of the letters, bare, in brackets or in a box. Any other is an error.
  void check_answer(std::string_view answer) const;

  Verdict operator()(const Sample& sample) const;

 private:
  /// The letter of a text that holds nothing else; 0 where there is none.
  char bare_letter(std::string_view text, bool any_case) const;
  char gold(std::string_view answer) const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/impl/choice.ipp"
#endif
