// SPDX-License-Identifier: Apache-2.0
// One continuation of one prompt; several at a time: generate/generator.hpp.
//
// Uses the same gate, kernels and logits as training, so what is sampled is what training scores.
#pragma once

#include <set>
#include <span>
#include <utility>

#include "posttrain/generate/generator.hpp"

namespace posttrain {

/// The continuation of `prompt` (without it): `ids` end with the end-of-sequence id, one of
/// `eos_ids` or `sampling.stop_ids`, if the model stopped by itself.
template <class Gate>
Completion generate(const models::Decoder& model, const Gate& gate, std::span<const TokenId> prompt,
                    const std::set<TokenId>& eos_ids, const Sampling& sampling = {},
                    const text::Tokenizer* tokenizer = nullptr) {
  Generator<Gate> generator(model, gate, eos_ids, {}, tokenizer);
  auto samples = generator.run({{.prompt = {prompt.begin(), prompt.end()}, .sampling = sampling}});
  return std::move(samples[0][0]);
}

}  // namespace posttrain
