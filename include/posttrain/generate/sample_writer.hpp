// SPDX-License-Identifier: Apache-2.0
// Samples in work, whatever reads them (generate/generator_core.hpp, generate/rereader_core.hpp):
// what a request has to be, what a token is drawn with, where a sample ends.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "posttrain/generate/draw_key.hpp"
#include "posttrain/generate/generator_options.hpp"
#include "posttrain/generate/logits_processor.hpp"
#include "posttrain/generate/request.hpp"
#include "posttrain/generate/seen_tokens.hpp"
#include "posttrain/generate/stop_strings.hpp"
#include "posttrain/generate/token_sampler.hpp"
#include "posttrain/text/stream_decoder.hpp"

namespace posttrain {

/// A token of a sample, as it comes.
struct TokenEvent {
  std::int64_t request = 0, sample = 0;
  TokenId id = 0;
  std::string_view text;  // what can be shown now; never part of a stop string
};

namespace detail {

/// A request that waits or has samples in work.
struct WaitingRequest {
  std::int64_t id = 0;
  Request request;
  TokenIds ends;                     // the model's and the request's own
  std::int64_t max_new = 0;          // as far as positions allow
  std::int64_t started = 0;          // samples
  std::vector<TokenIds> siblings{};  // finished samples, for guesses
};

/// A sample in work.
struct SampleInWork {
  std::shared_ptr<WaitingRequest> asked;
  DrawKey key{};
  Completion result{};
  TokenIds draft{};        // guesses behind the ids
  bool missed = false;     // a guess of this step was not drawn
  std::int64_t ahead = 0;  // ids behind those of the result that the host has not seen
  SeenTokens seen{};       // where a penalty is set
  std::optional<text::StreamDecoder> decoder{};
  StopStrings stops{};
  std::size_t shown = 0;  // bytes of the text that were handed out
  bool done = false;

  const Sampling& sampling() const { return asked->request.sampling; }
  std::int64_t sampled() const { return std::ssize(result.ids) + ahead; }
  /// The guesses that follow the ids, `most` at the most.
  void guess(const GeneratorOptions& options, std::int64_t most);
};

/// A row of logits from which a token is to be drawn, behind some of the sample's guesses.
struct SampleDraw {
  SampleInWork* sample = nullptr;
  std::int64_t row = 0, guesses = 0;
};

/// What processors do to the logits of a row; none: there are no processors.
using ProcessRow = std::function<void(const Tensor&, const RowView&)>;

template <class... Processors>
ProcessRow process_by(Processors... processors) {
  if constexpr (sizeof...(Processors) > 0 && (LogitsProcessor<Processors> && ...)) {
    return [all = std::tuple<Processors...>(std::move(processors)...)](const Tensor& logits,
                                                                       const RowView& row) {
      std::apply([&](const auto&... each) { (each(logits, row), ...); }, all);
    };
  }
  return {};
}

/// Whether a penalty is set, so that what was seen counts.
bool penalizes(const Sampling& sampling);

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

/// Adds requests to a core and works until nothing is left: all samples of these requests, each
/// request's together and in order. What else was queued is left for `take`.
template <class Core>
std::vector<std::vector<Completion>> run_requests(Core& core, std::vector<Request> requests) {
  std::vector<std::int64_t> ids, firsts;
  std::vector<std::vector<Completion>> all;
  for (Request& request : requests) {
    firsts.push_back(request.first_sample);
    all.emplace_back(static_cast<std::size_t>(std::max<std::int64_t>(request.samples, 0)));
    ids.push_back(core.add(std::move(request)));
  }
  while (core.step()) {
  }
  for (Completion& sample : core.take()) {
    const auto at = static_cast<std::size_t>(std::ranges::find(ids, sample.request) - ids.begin());
    if (at == ids.size()) {  // of an earlier request
      core.keep(std::move(sample));
      continue;
    }
    all[at][static_cast<std::size_t>(sample.sample - firsts[at])] = std::move(sample);
  }
  return all;
}

}  // namespace detail

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/generate/impl/sample_writer.ipp"
#endif
