// SPDX-License-Identifier: Apache-2.0
// Solutions in judged steps, for process reward models (losses/step_reward.hpp):
// {"prompt", "completions": ["step", …], "labels": [true, …]} (data/formats/format.hpp).
//
// An optimizer step is `effective_batch_size` solutions; a micro-batch holds whole ones. With
// Options::truncate a solution longer than max_seq_len keeps the steps that fit. The format and the
// options are those of TRL's stepwise supervision (PRMTrainer, which newer versions lack); its
// prompts are texts, here they may be messages, too.
#pragma once

#include "posttrain/base/literal_string.hpp"
#include "posttrain/batch/steps.hpp"
#include "posttrain/data/pipeline/step_loading.hpp"

namespace posttrain {

struct SteppedSolutions {
  LiteralString path{};                // a file or a folder of files (data/formats/reader.hpp)
  LiteralString step_separator{"\n"};  // behind each step; its last token has the step's reward
  bool last_step_only = false;         // train the last step's reward alone
  bool parse_arguments = true;         // calls' texts as objects, where the template wants those
  bool drop_nulls = false;             // leave null fields out of calls and schemas of tools
  LiteralString validation_path{};     // a source of its own, instead of Options::validation_split

  constexpr void validate() const { source().validate(); }

  StepKind kind() const { return {}; }
  data::LoadedItems<SteppedSolution> load(const data::LoadContext& context) const {
    return data::load_steps(source(), context, step_separator.view(), last_step_only,
                            {parse_arguments, drop_nulls});
  }

  constexpr data::Source source() const { return {path.view(), validation_path.view()}; }
};

}  // namespace posttrain
