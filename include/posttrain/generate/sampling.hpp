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

#include "posttrain/base/rng.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/tensor/ops.hpp"

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

  /// Throws one line for the first field that is out of range.
  void validate() const;
};

/// logits [V] → a token. A `temperature` of 0 is greedy: the largest logit, the first of equal
/// ones. `position` counts the tokens that precede the new one.
inline TokenId choose(const Tensor& logits, double temperature, std::uint64_t seed,
                      std::int64_t position) {
  if (temperature == 0.0) return static_cast<TokenId>(logits.argmax().item<std::int64_t>());
  const Tensor probabilities =
      at::softmax(logits.to(at::kDouble) / temperature, 0).to(at::kCPU).contiguous();
  const double* p = probabilities.data_ptr<double>();
  Philox4x32 generator(seed, static_cast<std::uint64_t>(position));
  double remaining = generator.uniform();
  TokenId last = 0;
  for (std::int64_t i = 0; i < probabilities.size(0); ++i) {
    if (p[i] <= 0.0) continue;
    last = static_cast<TokenId>(i);
    remaining -= p[i];
    if (remaining < 0.0) break;
  }
  return last;
}

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/generate/impl/sampling.ipp"
#endif
