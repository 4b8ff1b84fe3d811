// SPDX-License-Identifier: Apache-2.0
// Samples in work, whatever reads them (generate/generator_core.hpp, generate/rereader_core.hpp):
// what a request has to be, what a token is drawn with, where a sample ends.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "posttrain/generate/logits_processor.hpp"
#include "posttrain/generate/sample_in_work.hpp"
#include "posttrain/generate/token_sampler.hpp"
#include "posttrain/text/tokenizer.hpp"

namespace posttrain {

/// How much a generator has done.
struct GeneratorCounts {
  std::int64_t steps = 0;           // passes through the model
  std::int64_t prompt_tokens = 0;   // read for prompts; those that were shared count once
  std::int64_t sampled_tokens = 0;  // returned
  std::int64_t sample_rows = 0;     // read behind prompts, drafts included
  std::int64_t accepted_drafts = 0;
};

/// A token of a sample, as it comes.
struct TokenEvent {
  std::int64_t request = 0, sample = 0;
  TokenId id = 0;
  std::string_view text;  // what can be shown now; never part of a stop string
};

namespace detail {

class SampleWriter {
 public:
  /// `exact`: GeneratorOptions::exact. `tokenizer`: null: ids alone.
  SampleWriter(std::set<TokenId> ends, const text::Tokenizer* tokenizer, ProcessRow process,
               bool exact)
      : ends_(std::move(ends)),
        tokenizer_(tokenizer),
        process_(std::move(process)),
        exact_(exact) {}

  /// Throws one line for what cannot be served by a model of `vocab_size` ids.
  WaitingRequest accept(Request request, std::int64_t vocab_size);
  /// The next sample of a request begins.
  void begin(SampleInWork& sample, const std::shared_ptr<WaitingRequest>& asked) const;
  /// A token for each row of logits [n, V].
  Drawn drawn_from(const Tensor& logits, const std::vector<SampleDraw>& draws) const;
  /// Adds what was drawn, one read for all; `draws` has the rows of one after another. Returns the
  /// samples that are done, in the order of their ends: `finish` hands them out.
  std::vector<SampleInWork*> take_drawn(const std::vector<Drawn>& drawn,
                                        const std::vector<SampleDraw>& draws);
  void finish(SampleInWork& sample, bool keep_sibling) {
    if (keep_sibling) sample.asked->siblings.push_back(sample.result.ids);
    finished_.push_back(std::move(sample.result));
  }
  /// The samples that have ended since the last call, in the order of their ends.
  std::vector<Completion> take() { return std::exchange(finished_, {}); }
  /// Leaves a sample for the next `take`.
  void keep(Completion sample) { finished_.push_back(std::move(sample)); }

  bool processes() const { return static_cast<bool>(process_); }
  std::int64_t sampled_tokens() const { return sampled_tokens_; }
  std::int64_t accepted_drafts() const { return accepted_drafts_; }

  std::function<void(const TokenEvent&)> on_token{};

 private:
  /// Adds a token, with which the sample may be `done`.
  void take_token(SampleInWork& sample, TokenId id);

  std::set<TokenId> ends_;
  const text::Tokenizer* tokenizer_;
  ProcessRow process_;
  bool exact_;
  std::vector<Completion> finished_;
  std::int64_t next_id_ = 0, sampled_tokens_ = 0, accepted_drafts_ = 0;
};

}  // namespace detail

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/generate/impl/sample_writer.ipp"
#endif
