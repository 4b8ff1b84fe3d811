// SPDX-License-Identifier: Apache-2.0
// How much memory a run on the CPU will take, from the model's config.json and the headers of its
// weight files: no weight is read (Training Hub: estimate()).
//
//   const MemoryEstimate memory = estimate({.training_method = "lora",
//                                           .model_path = "model",
//                                           .max_tokens_per_gpu = 8192});
//   fmt::print("{}\n", memory.text());
//
// What a run holds before its first step is counted as the library allocates it, to the byte: it is
// what the run's footprint says (trainer/run/footprint.hpp). What a step takes on top is its widest
// moment, found by following tensors through the layers and back (recipes/impl/step_memory.hpp).
// With T tokens in the micro-batch, width d, Q and K the widths of queries and keys, F of the MLP,
// V of the vocabulary and b bytes per number, a layer of a Llama that trains keeps
//
//   b T (4 d + 2 Q + 2 K + 3 F)   its input, both norms' outputs, the stream between attention and
//                                 MLP, q, k, v and the attention's output, gate, up and product
//
// and with gradient checkpointing b T d, one layer at a time being computed again. A chunk of the
// head takes min(P, 1,024) V b for its logits (P: scored tokens; nn/lm_head.hpp).
#pragma once

#include "posttrain/recipes/estimate_options.hpp"
#include "posttrain/recipes/memory_estimate.hpp"

namespace posttrain {

/// Opens the model (its errors are those of hub::PretrainedDecoder) and reckons. `process` is what
/// this process has in memory now: ask before there is a model in it.
MemoryEstimate estimate(const EstimateOptions& options);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/recipes/impl/estimate.ipp"
#endif
