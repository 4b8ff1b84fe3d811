// SPDX-License-Identifier: Apache-2.0
// Early stopping, by the rule of transformers' EarlyStoppingCallback: a validation improves if it
// is the first, or if its loss is lower than the lowest before it by more than a threshold. After
// `patience` validations in a row that do not, the run ends.
//
// The lowest loss is that of any validation, within the threshold or not, so that a loss which
// creeps down by less than the threshold each time ends the run, too. A loss that is no number does
// not improve.
#pragma once

#include <cstdint>

#include "posttrain/trainer/options.hpp"

namespace posttrain {

/// Whether a validation with `loss` improves on `lowest`, the lowest loss before it.
inline bool improves(double loss, double lowest, double threshold) {
  return loss < lowest && lowest - loss > threshold;
}

/// How many validations in a row have not improved, given how many had not before this one.
inline std::int64_t validations_without_gain(std::int64_t before, bool first, double loss,
                                             double lowest, double threshold) {
  return first || improves(loss, lowest, threshold) ? 0 : before + 1;
}

/// Whether so many end the run.
inline bool stops_early(const Options& options, std::int64_t without_gain) {
  return options.early_stopping_patience > 0 && without_gain >= options.early_stopping_patience;
}

}  // namespace posttrain
