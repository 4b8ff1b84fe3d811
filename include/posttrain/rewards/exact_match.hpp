// SPDX-License-Identifier: Apache-2.0
// 1 where the completion is the record's answer, else 0: whole texts, never "contains".
//
//   ExactMatch{.ignore_case = true}    "Paris" for "paris"; not "The answer is Paris"
//
// By default only white space at the ends is left out of the comparison. lm-eval's exact_match has
// the same options by regular expressions; graders that search the answer in the text credit "1"
// within "21".
#pragma once

#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/rewards/sample.hpp"
#include "posttrain/rewards/text/parts.hpp"
#include "posttrain/unicode/normal_form.hpp"

namespace posttrain {

struct ExactMatch {
  bool trim = true;          // white space (Unicode's) at both ends does not count
  bool ignore_case = false;  // full case folding: "STRASSE" is "Straße"
  bool nfkc = false;         // compatible characters are equal: "４２" is "42", "ﬁ" is "fi"
  bool after_think = false;  // the completion begins behind the last </think>; none: 0

  /// A record without an answer cannot be judged.
  void check_answer(std::string_view answer) const {
    if (compared(answer).empty()) fail("expected an answer, got an empty text");
  }

  Verdict operator()(const Sample& sample) const {
    const std::string wanted = compared(sample.answer);
    if (wanted.empty()) return Verdict::not_applicable("the record has no answer");
    const auto part = rewards::judged_part(sample.completion, after_think);
    if (!part) return Verdict::of(0.0, "", rewards::kNoEndOfThoughts);
    std::string found = compared(*part);
    const bool equal = found == wanted;
    return Verdict::of(equal ? 1.0 : 0.0, std::move(found), equal ? "equal" : "another text");
  }

 private:
  /// A text in the form in which it is compared.
  std::string compared(std::string_view text) const {
    std::string form(text);
    if (nfkc || ignore_case) {
      form = !ignore_case ? text::nfkc(form)
             : nfkc       ? text::nfkc_case_folded(form)
                          : text::case_folded(form);
    }
    return trim ? std::string(rewards::trimmed(form)) : form;
  }
};

}  // namespace posttrain
