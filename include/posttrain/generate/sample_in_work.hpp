// SPDX-License-Identifier: Apache-2.0
// A request of a generator, and a sample of it while it is written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <vector>

#include "posttrain/generate/draw_key.hpp"
#include "posttrain/generate/generator_options.hpp"
#include "posttrain/generate/request.hpp"
#include "posttrain/generate/seen_tokens.hpp"
#include "posttrain/generate/stop_strings.hpp"
#include "posttrain/text/stream_decoder.hpp"

namespace posttrain::detail {

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

/// Whether a penalty is set, so that what was seen counts.
bool penalizes(const Sampling& sampling);

}  // namespace posttrain::detail

#ifndef POSTTRAIN_COMPILED
#include "posttrain/generate/impl/sample_in_work.ipp"
#endif
