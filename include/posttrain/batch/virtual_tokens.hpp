// SPDX-License-Identifier: Apache-2.0
// Batches whose sequences are preceded by virtual tokens: a soft prompt or a prefix.
//
// A state with virtual tokens says how many (`virtual_tokens()`) and rewrites batches
// (`prepare(batch)`); the model refuses a batch that was not prepared for its gate. A soft prompt's
// tokens are segments of the batch with ids beyond the vocabulary, so that looking ids up stays a
// pure function of them. A prefix has keys and values but no rows: positions move, nothing else.
#pragma once

#include <cstdint>

#include "posttrain/batch/tokens.hpp"
#include "posttrain/concepts/gate.hpp"
#include "posttrain/tensor/parameters.hpp"

namespace posttrain {

/// How many virtual tokens a gate puts before every sequence.
template <class Gate>
std::int64_t virtual_tokens(const Gate& gate) {
  if constexpr (HasVirtualTokens<Gate>) return gate.virtual_tokens();
  return 0;
}

/// The batch as a model reads it under this gate: rewritten where the gate has virtual tokens, else
/// itself. Predictions keep their order, targets and weights, and a batch type that adds to
/// TokenBatch keeps what it adds.
template <class State, class Batch>
Batch prepared(const State& state, const Batch& batch) {
  Batch ready = batch;
  if constexpr (PreparesBatches<State>) {
    static_cast<TokenBatch&>(ready) = state.prepare(batch);
  }
  return ready;
}

/// Puts a segment of ids first_id … first_id + count − 1 before all trees, as the parent of every
/// root, so that it is computed once; or, unless `shared`, a segment of its own before each tree.
void add_prompt_segments(TokenBatch& batch, std::int64_t count, std::int64_t first_id, bool shared);

/// Moves all positions by `count`: keys and values of so many tokens precede every sequence.
void add_prefix_positions(TokenBatch& batch, std::int64_t count);

/// `rows` [T, d] of the ids [T] below `vocab`, overwritten by those of the prompt [n, d] where ids
/// are vocab … vocab + n − 1; their gradient is added to the prompt's, none goes to `rows`.
Tensor with_prompt_rows(const Tensor& rows, const Tensor& ids, std::int64_t vocab,
                        const ParameterView& prompt, const Tensor& anchor);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/batch/impl/virtual_tokens.ipp"
#endif
