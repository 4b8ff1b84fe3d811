// SPDX-License-Identifier: Apache-2.0
// Resumable checkpoints: masters, optimizer state and the position in the data, in one folder each.
//
// `<run_dir>/checkpoints/step-<n>` appears complete or not at all. There is no random state to
// save: randomness is keyed by seed and step (base/rng.hpp). A resumed run equals the uninterrupted
// one bit for bit. Each tensor, and the record of the rest (trainer.json), carries a hash.
//
// Ranks that hold slices (trainer/shards.hpp) write a file each, at the same time, whose tensors
// are named by their elements ("parameters.matrices[4096:8192]"). Any number of ranks goes on from
// them: each reads of every file what it needs.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "posttrain/data/pipeline/sampler.hpp"
#include "posttrain/tensor/parameters.hpp"
#include "posttrain/trainer/run/record.hpp"
#include "posttrain/trainer/team.hpp"

namespace posttrain {

/// Counts of a run so far, and its place in the data.
struct Progress {
  std::int64_t step = 0;
  std::int64_t samples = 0;
  std::int64_t tokens = 0;
  std::int64_t scored = 0;
  double best_val_loss = std::numeric_limits<double>::infinity();
  data::SamplerPosition position{};
  std::string stream{};        // what a stream keeps beside it, such as a rollout in work
  std::vector<double> loss{};  // the state of a loss that moves with the run
  double last_loss = std::numeric_limits<double>::quiet_NaN();  // of the last step
  std::int64_t last_validation = -1;  // the step after which it was; −1: there was none
  double val_loss = std::numeric_limits<double>::quiet_NaN();  // its loss
  std::int64_t validations_without_gain = 0;  // in a row (trainer/early_stopping.hpp)
};

class Checkpoints {
 public:
  Checkpoints() = default;  // none: nothing is saved or found

  /// Checkpoints of a run in `run_dir`, of which the `keep` newest stay. `identity` holds all that
  /// decides the run's numbers, in groups by name. `storage`: a second folder that gets a copy of
  /// each; empty: none.
  Checkpoints(const std::string& run_dir, std::int64_t keep, const RunRecord& identity,
              const std::string& storage = "");

  /// Throws where the storage holds checkpoints: a run that does not resume would mix its own in.
  void check_storage_is_new() const;

  /// Before the first step: says in `<run_dir>/checkpoints/identity.json` whose folder it is, so
  /// that another run is told from this one before there is a checkpoint; and copies one that was
  /// loaded and that the storage lacks.
  void begin() const;

  /// Writes one, and its copy in the storage, and returns its folder. Older ones stay until this
  /// one has proved good. Where `tensors` has slices every rank of `team` calls it, and each has
  /// its own; else one rank does. Throws on all of them where one cannot write.
  std::string save(const Progress& progress, const std::vector<NamedSlice>& tensors,
                   const Team& team = Team());

  /// A step after the newest checkpoint was finite, or the run ended with finite values: removes
  /// what is beyond the `keep` newest, what a kill left of a removed one, and damaged ones.
  void confirm();

  /// Restores the newest whole checkpoint of both places into `tensors` (live references, touched
  /// by a whole one only). False if there is none. One that is damaged gives way to the one before,
  /// which `warning` says. One of another run is an error that names what differs, and so is a
  /// folder that another run began and left without a checkpoint.
  bool load(Progress& progress, const std::vector<NamedSlice>& tensors, std::string& warning);

  /// For the message of a run that stops on a non-finite value after `step` steps.
  std::string hint(std::int64_t step) const;

 private:
  /// The folders that have checkpoints, the run's own first.
  std::vector<std::string> folders() const;
  void confirm(const std::string& folder) const;

  std::string folder_, storage_;
  std::int64_t keep_ = 1;
  RunRecord identity_;
  std::int64_t newest_ = 0;   // written or loaded last
  bool unconfirmed_ = false;  // no step after the newest was seen
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/trainer/impl/checkpoints.ipp"
#endif
