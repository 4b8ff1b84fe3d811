// SPDX-License-Identifier: Apache-2.0
// The work of a Rereader (generate/rereader.hpp) without its types: in each step the prompts and
// samples in work are read from their beginnings, and a token more is drawn for each.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "posttrain/batch/tokens.hpp"
#include "posttrain/generate/sample_writer.hpp"

namespace posttrain::detail {

/// What the core asks of a model and a gate.
struct RereaderCalls {
  std::function<Tensor(const TokenBatch&)> logits;  // of the predictions of a host batch, [P, V]
  std::function<std::uint64_t()> version;
  std::int64_t vocab_size = 0;
};

class RereaderCore {
 public:
  RereaderCore(RereaderCalls calls, std::set<TokenId> ends, const GeneratorOptions& options,
               const text::Tokenizer* tokenizer, ProcessRow process);

  std::int64_t add(Request request);
  bool step();
  void cancel(std::int64_t request);
  void clear();
  std::vector<Completion> take() { return writer_.take(); }
  void keep(Completion sample) { writer_.keep(std::move(sample)); }
  bool idle() const { return queue_.empty() && live_.empty(); }
  /// Of the rows, those that predict; a prompt's tokens are read again by every pass.
  GeneratorCounts counts() const {
    GeneratorCounts counts = counts_;
    counts.sampled_tokens = writer_.sampled_tokens();
    counts.accepted_drafts = writer_.accepted_drafts();
    return counts;
  }
  void on_token(std::function<void(const TokenEvent&)> hear) { writer_.on_token = std::move(hear); }

 private:
  void check_version();
  /// In the order of the queue.
  void admit();
  /// The samples of one pass, from `first` on; at least one. Returns the first that has no place.
  std::size_t read(std::size_t first, TokenBatch& batch, std::vector<SampleDraw>& draws);

  RereaderCalls calls_;
  GeneratorOptions options_;
  SampleWriter writer_;
  std::deque<std::shared_ptr<WaitingRequest>> queue_;  // with samples that have not begun
  std::vector<std::unique_ptr<SampleInWork>> live_;    // those of a request beside each other
  std::uint64_t version_ = 0;
  GeneratorCounts counts_;
};

}  // namespace posttrain::detail

#ifndef POSTTRAIN_COMPILED
#include "posttrain/generate/impl/rereader_core.ipp"
#endif
