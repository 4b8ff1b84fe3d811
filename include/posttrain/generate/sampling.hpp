// SPDX-License-Identifier: Apache-2.0
// How continuations are sampled: lengths, the distribution that tokens are drawn from, where they
// end, what is recorded.
//
// Each token's logits pass, row by row: ids that may not come yet → −inf; repetition, frequency and
// presence penalty; ÷ temperature; min-p; top-k; top-p of what is left (token_sampler.hpp draws).
// That is vLLM's order. transformers applies min-p last, which differs only beside top-p.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "posttrain/base/sequence.hpp"

namespace posttrain {

/// The defaults draw from the model's own distribution, as reinforcement learning needs it.
struct Sampling {
  std::int64_t max_new_tokens = 512;
  std::int64_t min_new_tokens = 0;  // ends (ids and stop strings) cannot come before
  double temperature = 1.0;         // 0: greedy, ties to the lowest id
  std::int64_t top_k = 0;           // 0: off; ties with the k-th are kept
  double top_p = 1.0;               // the token that crosses it is kept
  double min_p = 0.0;               // of the largest probability
  double repetition_penalty = 1.0;  // CTRL (arXiv 1909.05858); prompt and sampled ids
  double presence_penalty = 0.0;    // once for each sampled id
  double frequency_penalty = 0.0;   // for each time that an id was sampled (as vLLM)
  std::vector<TokenId> stop_ids{};  // beside the model's own ends
  std::vector<std::string> stop_strings{};
  bool keep_stop_string = false;  // whether the text of the result ends with it
  std::uint64_t seed = 0;
  bool entropy = false;        // record the entropy of every draw's distribution
  std::int64_t top_logps = 0;  // how many of each position's likeliest ids to record
  bool support = false;        // record the ids that top-k, top-p and min-p left of every draw

  /// Throws one line for the first field that is out of range.
  void validate() const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/generate/impl/sampling.ipp"
#endif
