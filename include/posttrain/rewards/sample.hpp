// SPDX-License-Identifier: Apache-2.0
// What a verifier reads of one generated answer, and what it says about it.
#pragma once

#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "posttrain/base/finish_reason.hpp"
#include "posttrain/base/json.hpp"
#include "posttrain/base/sequence.hpp"

namespace posttrain {

/// One completion of a prompt. Samples of one prompt form a group and share `record` and
/// `messages`' beginning; each has texts of its own.
///
/// Where an environment answered (data/rollouts/environment.hpp), `completion` is the model's last
/// turn, which holds the answer; `ids` are those of all turns with the replies between them, and
/// `messages` the whole conversation.
struct Sample {
  std::string prompt;      // as the model read it, special tokens included
  TokenIds prompt_ids;     // its ids
  std::string completion;  // decoded from `ids` without special tokens
  TokenIds ids;            // as they were sampled, the one that ended the sample included
  FinishReason finish = FinishReason::stop_id;
  std::string answer;                    // the record's gold answer; empty: it has none
  std::shared_ptr<const Json> record;    // all columns of the prompt's record; null: none
  std::shared_ptr<const Json> messages;  // the conversation turn by turn, this answer last; or null
  std::vector<std::uint8_t> sampled{};   // 1 for each of `ids` that the model wrote; empty: all

  /// How many ids the model wrote: what a bound of lengths is about.
  std::int64_t sampled_tokens() const {
    if (sampled.empty()) return static_cast<std::int64_t>(ids.size());
    return std::accumulate(sampled.begin(), sampled.end(), std::int64_t{0});
  }
};

/// One verifier's judgement of one sample.
struct Verdict {
  std::optional<double> value;  // the reward; none: the verifier does not apply to this sample
  std::string parsed;           // the answer that was read from the completion, as compared
  std::string reason;           // in a few words, for people: why this value
  double seconds = 0.0;         // wall-clock time of the verifier; set by who calls it

  bool applicable() const { return value.has_value(); }

  static Verdict of(double value, std::string parsed, std::string reason) {
    return {.value = value, .parsed = std::move(parsed), .reason = std::move(reason)};
  }

  static Verdict not_applicable(std::string reason) {
    return {.value = {}, .parsed = {}, .reason = std::move(reason)};
  }
};

}  // namespace posttrain
