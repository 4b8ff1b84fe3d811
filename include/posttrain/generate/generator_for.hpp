// SPDX-License-Identifier: Apache-2.0
// What samples from any model that trains: a Generator where there is a cache of keys and values, a
// Rereader where there is none.
//
//   auto generator = generator_for(view.model(), view.gate(), ends);
#pragma once

#include <set>
#include <utility>

#include "posttrain/concepts/rollout.hpp"
#include "posttrain/generate/generator.hpp"
#include "posttrain/generate/rereader.hpp"

namespace posttrain {

/// Arguments as those of a Generator; model, gate and tokenizer have to live as long.
template <class Model, class G>
auto generator_for(const Model& model, const G& gate, std::set<TokenId> ends,
                   const GeneratorOptions& options = {},
                   const text::Tokenizer* tokenizer = nullptr) {
  if constexpr (KeepsKeys<Model>) {
    return Generator<G>(model, gate, std::move(ends), options, tokenizer);
  } else {
    return Rereader<Model, G>(model, gate, std::move(ends), options, tokenizer);
  }
}

}  // namespace posttrain
