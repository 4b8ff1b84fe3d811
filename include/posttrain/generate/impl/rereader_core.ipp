// SPDX-License-Identifier: Apache-2.0
// Definitions of rereader_core.hpp, compiled once (base/compiled.hpp).
#pragma once

#include <algorithm>

#include "posttrain/base/compiled.hpp"
#include "posttrain/base/error.hpp"
#include "posttrain/generate/rereader_core.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain::detail {

POSTTRAIN_INLINE RereaderCore::RereaderCore(RereaderCalls calls, std::set<TokenId> ends,
                                            const GeneratorOptions& options,
                                            const text::Tokenizer* tokenizer, ProcessRow process)
    : calls_(std::move(calls)),
      options_(options),
      writer_(std::move(ends), tokenizer, std::move(process), /*exact=*/false) {
  options.validate();
  if (options.exact || options.sync_every != 1 || options.idle_cache_bytes != 0) {
    fail(
        "GeneratorOptions.exact, sync_every and idle_cache_bytes are for a model with a cache of "
        "keys and values, a models::Decoder; this one reads every sequence again for each token");
  }
  version_ = calls_.version();
}

POSTTRAIN_INLINE std::int64_t RereaderCore::add(Request request) {
  queue_.push_back(
      std::make_shared<WaitingRequest>(writer_.accept(std::move(request), calls_.vocab_size)));
  return queue_.back()->id;
}

POSTTRAIN_INLINE bool RereaderCore::step() {
  if (idle()) return false;
  at::NoGradGuard no_grad;
  try {
    check_version();
    admit();
    for (std::size_t next = 0; next < live_.size();) {
      TokenBatch batch;
      std::vector<SampleDraw> draws;
      next = read(next, batch, draws);
      counts_.steps += 1;
      counts_.sample_rows += std::ssize(draws);
      const Drawn drawn = writer_.drawn_from(calls_.logits(batch), draws);
      for (SampleInWork* ended : writer_.take_drawn({drawn}, draws)) {
        writer_.finish(*ended, options_.draft_ngrams > 0);
      }
    }
    std::erase_if(live_, [](const auto& sample) { return sample->done; });
  } catch (...) {
    clear();  // what is half done is not to be gone on with
    throw;
  }
  return !idle();
}

POSTTRAIN_INLINE void RereaderCore::clear() {
  queue_.clear();
  live_.clear();
}

POSTTRAIN_INLINE void RereaderCore::cancel(std::int64_t request) {
  std::erase_if(queue_, [&](const auto& waiting) { return waiting->id == request; });
  std::erase_if(live_, [&](const auto& sample) { return sample->asked->id == request; });
}

// No key is kept, but a sample is of one policy.
POSTTRAIN_INLINE void RereaderCore::check_version() {
  const std::uint64_t now = calls_.version();
  if (now != version_ && !live_.empty()) {
    raise(
        "expected the weights' version {}, which wrote the samples in work so far, got {}; hint: "
        "let them finish, or clear(), before weights are published",
        version_, now);
  }
  version_ = now;
}

POSTTRAIN_INLINE void RereaderCore::admit() {
  while (!queue_.empty() && std::ssize(live_) < options_.max_live) {
    const std::shared_ptr<WaitingRequest>& next = queue_.front();
    live_.push_back(std::make_unique<SampleInWork>());
    writer_.begin(*live_.back(), next);
    if (next->started == next->request.samples) queue_.pop_front();
  }
}

// A prompt is one segment for all samples behind it that the pass has.
POSTTRAIN_INLINE std::size_t RereaderCore::read(std::size_t first, TokenBatch& batch,
                                                std::vector<SampleDraw>& draws) {
  BatchBuilder builder;
  const WaitingRequest* asked = nullptr;
  int prompt = -1;
  std::int64_t rows = 0, prompt_end = 0;
  std::size_t next = first;
  for (; next < live_.size(); ++next) {
    SampleInWork& sample = *live_[next];
    const TokenIds& begun = sample.asked->request.prompt;
    sample.guess(options_, sample.result.ids.empty() ? 0 : options_.draft_tokens);
    TokenIds own = sample.result.ids;
    own.insert(own.end(), sample.draft.begin(), sample.draft.end());
    const bool is_new = sample.asked.get() != asked;
    const std::int64_t more = std::ssize(own) + (is_new ? std::ssize(begun) : 0);
    if (next > first && rows + more > options_.prompt_chunk) break;
    if (is_new) {
      asked = sample.asked.get();
      prompt = builder.add(begun);
      counts_.prompt_tokens += std::ssize(begun);
      prompt_end = rows + std::ssize(begun);
    }
    rows += more;
    if (!own.empty()) builder.add(own, prompt);
    // The last token that is known, then each guess.
    const std::int64_t last = own.empty() ? prompt_end - 1 : rows - 1;
    for (std::int64_t guesses = 0; guesses <= std::ssize(sample.draft); ++guesses) {
      draws.push_back({&sample, std::ssize(draws), guesses});
      builder.predict(last - std::ssize(sample.draft) + guesses, 0, 1.0F);
    }
  }
  builder.end_sequence();
  batch = std::move(builder).build();
  return next;
}

}  // namespace posttrain::detail
