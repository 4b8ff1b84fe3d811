// SPDX-License-Identifier: Apache-2.0
// The largest micro-batch that EstimateOptions allow, in numbers: estimate() reckons with it and
// measure() makes it.
//
// A sample is as long as samples may be. The prompt of a pair is one token, so that as many tokens
// as possible are scored; that of a group of rollouts is what its answers leave of the length.
#pragma once

#include <algorithm>
#include <cstdint>

#include "posttrain/recipes/estimate_options.hpp"

namespace posttrain::detail {

struct WorstCase {
  std::int64_t prompt = 1;   // tokens
  std::int64_t answer = 1;   // tokens of each
  std::int64_t answers = 1;  // behind one prompt
  std::int64_t items = 1;    // prompts with their answers in the micro-batch
  std::int64_t tokens = 2;   // of the micro-batch, what is left of max_tokens_per_gpu filled up
  std::int64_t prompts = 1;  // of a rollout

  /// Of the tokens of one prompt and its answers, which attend to each other.
  std::int64_t tree() const { return prompt + answers * answer; }
  std::int64_t predictions() const { return std::max<std::int64_t>(1, tokens - items * prompt); }
};

inline WorstCase worst_case(const EstimateOptions& options) {
  using enum TrainingMethod;
  const std::int64_t most = options.max_tokens_per_gpu, step = options.effective_batch_size;
  WorstCase all;
  std::int64_t of_step = step;
  if (options.training_method == dpo || options.training_method == reward) {
    all.answers = 2;
    all.answer = std::max<std::int64_t>(1, std::min(options.max_seq_len - 1, (most - 1) / 2));
  } else if (options.rolls_out()) {
    all.answer = options.max_tokens;
    all.prompt = options.max_seq_len - options.max_tokens;
    // A group that is too large for a micro-batch is cut, each piece with the prompt.
    all.answers =
        std::clamp<std::int64_t>((most - all.prompt) / all.answer, 1, options.num_generations);
    all.prompts = step / options.num_generations;
    of_step = all.prompts * ((options.num_generations + all.answers - 1) / all.answers);
  } else {
    all.answer = options.max_seq_len - 1;
  }
  all.items = std::max<std::int64_t>(1, std::min(of_step, most / all.tree()));
  all.tokens = of_step > all.items ? most : all.items * all.tree();
  return all;
}

}  // namespace posttrain::detail
