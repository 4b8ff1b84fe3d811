// SPDX-License-Identifier: Apache-2.0
// 1 where the completion is thoughts and then an answer, each in its tags, else 0:
//
//   <think>…</think> <answer>…</answer>        white space between and behind, nothing else outside
//
// Each tag stands once, so that an answer cannot be offered twice. Tags match over line breaks
// (graders whose expression lacks DOTALL give 0 to every text of several lines). DeepSeek-R1's
// format (arXiv 2501.12948); with an empty `answer_tag` TRL's think_format_reward,
// ^<think>(?!.*<think>)(.*?)</think>.*$, but for a second </think>, which is refused here.
#pragma once

#include <string>
#include <string_view>

#include "posttrain/base/error.hpp"
#include "posttrain/rewards/sample.hpp"

namespace posttrain {

struct FormatTags {
  std::string think_tag = "think";
  std::string answer_tag = "answer";  // empty: any text without tags of thoughts may follow them
  bool opened = false;     // the prompt ends in the first tag, so the completion lacks it
  bool non_empty = false;  // white space alone is neither thoughts nor an answer

  void validate() const;

  Verdict operator()(const Sample& sample) const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/rewards/impl/format_tags.ipp"
#endif
