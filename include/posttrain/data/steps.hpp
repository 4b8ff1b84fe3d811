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
#include "posttrain/batch/rewards.hpp"
#include "posttrain/data/pipeline/packing.hpp"
#include "posttrain/data/pipeline/step_loading.hpp"
#include "posttrain/data/pipeline/token_stream.hpp"

namespace posttrain::data {

struct StepItems {
  using Batch = StepRewardBatch;
  using Loaded = LoadedSteps;

  std::vector<std::int64_t> lengths(const std::vector<SteppedSolution>& solutions) const {
    std::vector<std::int64_t> all;
    for (const SteppedSolution& solution : solutions) all.push_back(solution.tokens());
    return all;
  }
  void check_ids(const std::vector<SteppedSolution>& solutions, std::int64_t vocab_size) const {
    for (const SteppedSolution& solution : solutions) {
      detail::check_token_ids(solution.prompt, solution.sample, vocab_size);
      for (const TokenIds& step : solution.steps) {
        detail::check_token_ids(step, solution.sample, vocab_size);
      }
    }
  }
  std::vector<StepRewardBatch> batches(const Packs& packs,
                                       const std::vector<SteppedSolution>& solutions) const {
    std::vector<StepRewardBatch> all;
    for (const auto& pack : packs) all.push_back(pack_steps(detail::items_of(pack, solutions)));
    return all;
  }
};

template <class Packer = FirstFitDecreasing>
using StepRewardStream = Stream<StepItems, Packer>;

/// The policy. Options as in data/preferences.hpp, and what stands behind each step.
template <class Packer = FirstFitDecreasing>
struct BasicSteppedSolutions {
  using Batch = StepRewardBatch;

  LiteralString path{};                // a file or a folder of files (data/formats/reader.hpp)
  LiteralString step_separator{"\n"};  // behind each step; its last token has the step's reward
  bool last_step_only = false;         // train the last step's reward alone
  bool skip_bad_samples = false;       // count malformed samples instead of stopping
  double validation_split = 0.0;       // share of the samples, in [0, 1)
  LiteralString validation_path{};
  bool deduplicate = false;  // drop (and count) samples that repeat an earlier one's tokens
  Packer packing{};

  constexpr void validate() const { validate_source(source()); }

  StepRewardStream<Packer> open(const LoadContext& context, std::int64_t effective_batch_size,
                                std::int64_t vocab_size = 0) const {
    return {load(context), context, effective_batch_size, vocab_size, packing};
  }

  /// The solutions themselves.
  LoadedSteps load(const LoadContext& context) const {
    return load_steps(source(), context, step_separator.view(), last_step_only);
  }

  constexpr SourceOptions source() const {
    return {path.view(), skip_bad_samples, validation_split, validation_path.view(), deduplicate,
            {}};
  }
};

using SteppedSolutions = BasicSteppedSolutions<>;

}  // namespace posttrain::data
