// SPDX-License-Identifier: Apache-2.0
// The models that a recipe saves: `<ckpt_output_dir>/hf_format/samples_N`, N samples into the run,
// and `samples_N_best_val_loss` for the one with the lowest validation loss.
#pragma once

#include <cstdint>
#include <string>

namespace posttrain {

class ModelFolders {
 public:
  /// `newest_only`: of those that are not the best, only the newest stays.
  ModelFolders(std::string output, bool newest_only);

  /// Where a model goes.
  std::string folder(std::int64_t samples, bool best) const;

  /// Whether it is there already: the same number of samples means the same weights.
  bool has(std::int64_t samples, bool best) const;

  /// One was written, whole: removes what it replaces. A best one replaces the best before it and
  /// nothing else does, so that no limit on saved models takes it away.
  void written(std::int64_t samples, bool best) const;

  /// The folder with the most samples; empty where there is none.
  std::string newest() const;
  /// Of the best model; empty where there is none.
  std::string best() const;

 private:
  std::string output_;
  bool newest_only_;
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/recipes/impl/model_folders.ipp"
#endif
