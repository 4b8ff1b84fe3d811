// SPDX-License-Identifier: Apache-2.0
// From tokenised answers with verdicts to the micro-batches of optimizer steps. A step is
// `effective_batch_size` answers.
#pragma once

#include <cstdint>
#include <vector>

#include "posttrain/batch/answers.hpp"
#include "posttrain/data/pipeline/pair_loading.hpp"
#include "posttrain/data/pipeline/token_stream.hpp"

namespace posttrain::data {

/// For each of these answers one that was given to another prompt: the nearest before it in the
/// order of the data, cyclically; its neighbour where all prompts are the same. The choice depends
/// on which answers a step has, not on how they are split into micro-batches. (TRL takes the one
/// before, whatever its prompt, within a preprocessing batch.)
std::vector<std::int64_t> mismatched(const std::vector<Answer>& answers,
                                     std::vector<std::int64_t> step);

struct AnswerItems {
  using Batch = AnswerBatch;
  using Loaded = LoadedAnswers;

  bool share_prompts = true;

  LoadedAnswers load(const SourceOptions& source, const LoadContext& context,
                     Truncation truncation) const {
    return load_answers(source, context, truncation);
  }
  std::vector<std::int64_t> lengths(const std::vector<Answer>& answers) const {
    std::vector<std::int64_t> all;
    for (const Answer& answer : answers) all.push_back(answer.tokens());
    return all;
  }
  void check_ids(const std::vector<Answer>& answers, std::int64_t vocab_size) const {
    for (const Answer& answer : answers) {
      detail::check_token_ids(answer.prompt, answer.sample, vocab_size);
      detail::check_token_ids(answer.answer.ids, answer.sample, vocab_size);
    }
  }
  std::vector<AnswerBatch> batches(const Packs& packs, const std::vector<Answer>& answers) const;
};

template <class Packer = FirstFitDecreasing>
using AnswerStream = Stream<AnswerItems, Packer>;

}  // namespace posttrain::data

#ifndef POSTTRAIN_COMPILED
#include "posttrain/data/pipeline/impl/answer_stream.ipp"
#endif
