// SPDX-License-Identifier: Apache-2.0
// Preference pairs in any of the usual formats (data/formats/format.hpp): prompt with chosen and
// rejected completions, explicit or implicit, of messages or of text.
//
// A step is `effective_batch_size` pairs. A pair is a prompt segment with two children, so that the
// prompt is read once. Per-sample columns `tools`, `documents`, `chat_template_kwargs` and `margin`
// are honoured. TRL: DPOTrainer's data. Single answers with a verdict: data/answers.hpp.
#pragma once

#include "posttrain/base/literal_string.hpp"
#include "posttrain/data/pipeline/packing.hpp"
#include "posttrain/data/pipeline/pair_loading.hpp"
#include "posttrain/data/pipeline/pair_stream.hpp"

namespace posttrain::data {

/// `Items`: PairItems (data/pipeline/pair_stream.hpp) or AnswerItems
/// (data/pipeline/answer_stream.hpp).
template <class Items, class Packer = FirstFitDecreasing>
struct BasicPreferences {
  using Batch = typename Items::Batch;

  LiteralString path{};       // a file or a folder of files (data/formats/reader.hpp)
  bool share_prompts = true;  // false: the prompt stands before each answer
  Truncation truncation_mode = Truncation::keep_start;  // where Options::truncate asks to cut
  bool skip_bad_samples = false;  // count malformed samples instead of stopping
  double validation_split = 0.0;  // share of the samples, in [0, 1)
  LiteralString validation_path{};
  bool deduplicate = false;  // drop (and count) samples that repeat an earlier one's tokens
  Packer packing{};

  constexpr void validate() const { validate_source(source()); }

  Stream<Items, Packer> open(const LoadContext& context, std::int64_t effective_batch_size,
                             std::int64_t vocab_size = 0) const {
    return {load(context), context, effective_batch_size, vocab_size, packing, {share_prompts}};
  }

  /// The pairs or answers themselves.
  typename Items::Loaded load(const LoadContext& context) const {
    return Items{share_prompts}.load(source(), context, truncation_mode);
  }

  constexpr SourceOptions source() const {
    return {path.view(), skip_bad_samples, validation_split, validation_path.view(), deduplicate,
            {}};
  }
};

using Preferences = BasicPreferences<PairItems>;

}  // namespace posttrain::data
