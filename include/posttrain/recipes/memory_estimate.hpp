// SPDX-License-Identifier: Apache-2.0
// The memory that a run is expected to take, part by part (recipes/estimate.hpp).
#pragma once

#include <cstdint>
#include <string>

namespace posttrain {

/// Bytes.
struct MemoryEstimate {
  // --- held from the first step on ---------------------------------------------------------------
  std::int64_t weights = 0;  // in their storage, adapters included; with `subspaces`, what the
                             // footprint calls weights
  std::int64_t gradients = 0;
  std::int64_t masters = 0;    // float32 copies of bfloat16 weights that train
  std::int64_t moments = 0;    // the optimizer's
  std::int64_t subspaces = 0;  // of osft: bases, cores and the weights as they were
  std::int64_t reference = 0;  // a second model
  std::int64_t workspace = 0;  // a stored matrix as it is multiplied; a matrix's gradient of osft

  // --- a step ------------------------------------------------------------------------------------
  std::int64_t activations = 0;  // kept for the backward pass
  // Moments: what the widest of each kind has beside what is held and kept. One at a time.
  std::int64_t head = 0;           // a chunk of logits
  std::int64_t layer = 0;          // gradients on their way back through an MLP
  std::int64_t attention = 0;      // the same of attention
  std::int64_t forward = 0;        // with gradient checkpointing: a layer on the way forward
  std::int64_t rollout_cache = 0;  // of grpo, without activations: keys, values, packed matrices

  // --- whatever the step -------------------------------------------------------------------------
  std::int64_t loading = 0;  // the largest tensor as it is read
  std::int64_t process = 0;  // LibTorch, its kernels, the tokenizer: what this process has

  /// The peak of resident memory: process + held() + workspace, the step's widest moment - that is
  /// activations with the largest of head, layer and attention, or the rollout's cache - and what
  /// lies idle, since a Trainer keeps freed memory in the process (tensor/allocator.hpp).
  /// `mid`: the memory that the largest tensor was read into, which nothing of its size follows;
  /// with gradient checkpointing that of a layer on the way forward, whose pieces between the
  /// inputs that are kept are too small for a chunk of logits. `low`: nothing lies idle, and the
  /// kernels bring no code with them. `high`: also a fourth of the activations, between blocks of
  /// different sizes; each kind of moment finds the memory of the one before it taken by smaller
  /// blocks, and takes its own; and several threads pack operands for themselves.
  std::int64_t low = 0, mid = 0, high = 0;

  /// What a run holds before its first step.
  std::int64_t held() const {
    return weights + gradients + masters + moments + subspaces + reference;
  }
  /// A line for each part that there is, in megabytes of 10⁶ bytes.
  std::string text() const;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/recipes/impl/memory_estimate.ipp"
#endif
