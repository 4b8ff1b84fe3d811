// SPDX-License-Identifier: Apache-2.0
// Single answers with a verdict: prompt, completion, label (data/formats/format.hpp), for Kto and
// its kin.
//
// A step is `effective_batch_size` answers; answers to the same prompt share it within a
// micro-batch. TRL: KTOTrainer's data.
#pragma once

#include "posttrain/base/literal_string.hpp"
#include "posttrain/batch/answers.hpp"
#include "posttrain/data/pipeline/pair_loading.hpp"

namespace posttrain {

struct Answers {
  LiteralString path{};       // a file or a folder of files (data/formats/reader.hpp)
  bool share_prompts = true;  // false: the prompt stands before each answer
  Truncation truncation_mode = Truncation::keep_start;  // where Options::truncate asks to cut
  bool parse_arguments = true;      // calls' texts as objects, where the template wants those
  bool drop_nulls = false;          // leave null fields out of calls and schemas of tools
  LiteralString validation_path{};  // a source of its own, instead of Options::validation_split

  constexpr void validate() const { source().validate(); }

  AnswerKind kind() const { return {truncation_mode, share_prompts}; }
  data::LoadedItems<Answer> load(const data::LoadContext& context) const {
    return data::load_answers(source(), context, kind(), {parse_arguments, drop_nulls});
  }

  constexpr data::Source source() const { return {path.view(), validation_path.view()}; }
};

}  // namespace posttrain
