// SPDX-License-Identifier: Apache-2.0
// Continues a prompt token by token with a key/value cache: greedy or by temperature.
//
// Uses the same gate, kernels and logits as training, so what is sampled is what training scores.
// Stops at any of the end-of-sequence ids, which is part of the result.
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <span>

#include "posttrain/base/error.hpp"
#include "posttrain/base/sequence.hpp"
#include "posttrain/generate/kv_cache.hpp"
#include "posttrain/generate/sampling.hpp"
#include "posttrain/models/decoder.hpp"

namespace posttrain {

struct GenerateOptions {
  std::int64_t max_new_tokens = 128;
  double temperature = 0.0;  // 0: greedy
  std::uint64_t seed = 0;    // of sampling; with the position it determines every draw

  constexpr void validate() const {
    if (max_new_tokens < 1) fail("posttrain: GenerateOptions.max_new_tokens must be at least 1");
    if (!(temperature >= 0.0)) fail("posttrain: GenerateOptions.temperature must not be negative");
  }
};

/// The continuation of `prompt` (without it), at most `max_new_tokens` tokens; ends with an id of
/// `eos_ids` if the model stopped by itself.
template <class Gate>
TokenIds generate(const models::Decoder& model, const Gate& gate, std::span<const TokenId> prompt,
                  const std::set<TokenId>& eos_ids, const GenerateOptions& options = {}) {
  options.validate();
  if (prompt.empty()) raise("expected a prompt of at least one token, got none");
  if (model.config().head == models::HeadKind::kReward) {
    fail("expected a model that predicts tokens, got a reward model");
  }
  at::NoGradGuard no_grad;
  const std::int64_t read = virtual_tokens(gate) + static_cast<std::int64_t>(prompt.size());
  std::int64_t capacity = read + options.max_new_tokens;
  if (model.config().learned_positions) capacity = std::min(capacity, model.config().max_positions);
  if (read > capacity) {
    raise("expected a prompt of at most {} tokens (the model's learned positions), got {}",
          capacity - virtual_tokens(gate), prompt.size());
  }
  KeyValueCache cache(model, capacity);
  TokenIds continuation;
  Tensor hidden = cache.read(gate, prompt);
  while (true) {
    const Tensor logits = model.logits(gate, hidden.narrow(0, hidden.size(0) - 1, 1)).select(0, 0);
    continuation.push_back(choose(logits, options.temperature, options.seed, cache.length()));
    if (eos_ids.contains(continuation.back()) || cache.length() >= capacity ||
        static_cast<std::int64_t>(continuation.size()) >= options.max_new_tokens) {
      return continuation;
    }
    hidden = cache.read(gate, std::span(&continuation.back(), 1));
  }
}

}  // namespace posttrain
