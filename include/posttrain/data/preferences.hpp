// SPDX-License-Identifier: Apache-2.0
// Preference pairs in any of the usual formats (data/formats/format.hpp): prompt with chosen and
// rejected completions, explicit or implicit, of messages or of text.
//
// A step is `effective_batch_size` pairs. A pair is a prompt segment with two children, so that the
// prompt is read once. Per-sample columns `tools`, `documents`, `chat_template_kwargs` and `margin`
// are honored. TRL: DPOTrainer's data. Single answers with a verdict: data/answers.hpp.
#pragma once

#include "posttrain/base/literal_string.hpp"
#include "posttrain/batch/pairs.hpp"
#include "posttrain/data/pipeline/pair_loading.hpp"

namespace posttrain {

struct Preferences {
  LiteralString path{};       // a file or a folder of files (data/formats/reader.hpp)
  bool share_prompts = true;  // false: the prompt stands before each answer
  Truncation truncation_mode = Truncation::keep_start;  // where Options::truncate asks to cut
  bool parse_arguments = true;      // calls' texts as objects, where the template wants those
  bool drop_nulls = false;          // leave null fields out of calls and schemas of tools
  LiteralString validation_path{};  // a source of its own, instead of Options::validation_split

  constexpr void validate() const { source().validate(); }

  PairKind kind() const { return {truncation_mode, share_prompts}; }
  data::LoadedItems<AnswerPair> load(const data::LoadContext& context) const {
    return data::load_pairs(source(), context, kind(), {parse_arguments, drop_nulls});
  }

  constexpr data::Source source() const { return {path.view(), validation_path.view()}; }
};

}  // namespace posttrain
