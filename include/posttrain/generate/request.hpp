// SPDX-License-Identifier: Apache-2.0
// What a generator is asked for, and what comes back for each sample.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "posttrain/base/finish_reason.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/batch/support.hpp"
#include "posttrain/generate/sampling.hpp"

namespace posttrain {

/// Some samples of one prompt. `epoch`, `prompt_index` and the number of a sample key its draws,
/// beside `sampling.seed` (generate/draw_key.hpp): the same key gives the same sample, whatever
/// else is generated.
struct Request {
  TokenIds prompt;
  Sampling sampling{};
  std::int64_t samples = 1;
  std::uint64_t epoch = 0, prompt_index = 0;
  std::int64_t first_sample = 0;  // the number of the first of these samples
  /// Ids of the sample that stand in `prompt` already: its draws are keyed from there on.
  std::int64_t first_position = 0;
};

struct LikelyToken {
  TokenId id = 0;
  float logp = 0.0F;
  bool operator==(const LikelyToken&) const = default;
};

/// One sample. The vectors have one entry for each of `ids`, or none where it was not asked for.
struct Completion {
  std::int64_t request = 0;  // what `Generator::add` returned
  std::int64_t sample = 0;   // first_sample, first_sample + 1, …
  TokenIds ids;              // as sampled, the one that ended the sample included
  std::vector<float> logps;  // log p of each id under the distribution that it was drawn from
  /// log p under the temperature alone: without penalties, processors and what top-k, top-p or
  /// min-p cut off. Empty where these would be `logps` again.
  std::vector<float> plain_logps;
  std::vector<float> entropy;                  // nats, of the distribution drawn from
  std::vector<std::vector<LikelyToken>> top;   // the likeliest ids of that distribution
  Support support;                             // what each id was drawn among (Sampling::support)
  FinishReason finish = FinishReason::length;  // why it ended
  /// Without special tokens, up to the stop string if one ended it; empty where the generator has
  /// no tokenizer.
  std::string text;
  std::string stop_string;  // the one that ended it
};

}  // namespace posttrain
