// SPDX-License-Identifier: Apache-2.0
// Resumable checkpoints: masters, optimizer state and the position in the data, in one folder each.
//
// `<run_dir>/checkpoints/step-<n>` appears complete or not at all. There is no random state to
// save: randomness is keyed by seed and step (base/rng.hpp). A resumed run equals the uninterrupted
// one bit for bit.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "posttrain/data/pipeline/sampler.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "posttrain/trainer/options.hpp"

namespace posttrain {

/// Counts of a run so far, and its place in the data.
struct Progress {
  std::int64_t step = 0;
  std::int64_t samples = 0;
  std::int64_t tokens = 0;
  std::int64_t scored = 0;
  double best_val_loss = std::numeric_limits<double>::infinity();
  data::SamplerPosition position{};
};

/// Writes a checkpoint and removes those beyond options.keep_checkpoints. Returns its folder.
std::string save_checkpoint(const Options& options, const Progress& progress,
                            const std::vector<NamedTensor>& tensors);

/// Restores the newest complete checkpoint into `tensors` (live references). False if there is
/// none.
bool load_checkpoint(const Options& options, Progress& progress,
                     const std::vector<NamedTensor>& tensors);

/// For the message of a run that stops on a non-finite value.
std::string last_checkpoint_hint(const Options& options);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/trainer/impl/checkpoint.ipp"
#endif
