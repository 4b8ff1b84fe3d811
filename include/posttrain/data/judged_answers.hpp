// SPDX-License-Identifier: Apache-2.0
// Single answers with a verdict: prompt, completion, label (data/format.hpp), for Kto and its kin.
//
// A step is `effective_batch_size` answers; answers to the same prompt share it within a
// micro-batch. TRL: KTOTrainer's data.
#pragma once

#include "posttrain/core/literal_string.hpp"
#include "posttrain/data/judged_stream.hpp"
#include "posttrain/data/packing.hpp"
#include "posttrain/data/preference_loading.hpp"

namespace posttrain::data {

template <class Packer = FirstFitDecreasing>
struct BasicJudgedAnswers {
  using Batch = JudgedBatch;

  LiteralString path{};       // a file or a folder of files (data/record_reader.hpp)
  bool share_prompts = true;  // false: the prompt stands before each answer
  Truncation truncation_mode = Truncation::keep_start;  // where Options::truncate asks to cut
  bool skip_bad_samples = false;  // count malformed samples instead of stopping
  double validation_split = 0.0;  // share of the samples, in [0, 1)
  LiteralString validation_path{};
  bool deduplicate = false;  // drop (and count) answers that repeat an earlier one's tokens
  Packer packing{};

  constexpr void validate() const { validate_source(source()); }

  Stream<AnswerItems, Packer> open(const LoadContext& context, std::int64_t effective_batch_size,
                                   std::int64_t vocab_size = 0) const {
    return {load(context), context, effective_batch_size, vocab_size, packing, {share_prompts}};
  }

  /// The answers themselves.
  LoadedAnswers load(const LoadContext& context) const {
    return load_judged_answers(source(), context, truncation_mode);
  }

  constexpr SourceOptions source() const {
    return {path.view(), skip_bad_samples, validation_split, validation_path.view(), deduplicate,
            {}};
  }
};

using JudgedAnswers = BasicJudgedAnswers<>;

}  // namespace posttrain::data
