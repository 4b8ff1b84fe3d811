// SPDX-License-Identifier: Apache-2.0
// The coefficient c of the entropy bonus, moved after each optimizer step so that the policy's
// entropy stays near a target (Skywork-OR1, arXiv 2505.22312; TRL: use_adaptive_entropy):
//
//   c ← min(c + change, most)    after a step whose mean entropy was at most the target
//   c ← max(c − change, least)   after any other
//
// The bonus acts in the steps that follow an entropy of at most the target, and in no others: not
// in the first. The entropy is the metric `entropy`, a mean over all trained tokens of the step
// (TRL's is over the tokens that top_entropy leaves). c is a state of the run (concepts/loss.hpp,
// MovesWithRun) and stands in its checkpoints.
#pragma once

#include <algorithm>

#include "posttrain/base/error.hpp"

namespace posttrain {

struct EntropyControl {
  double target = 0.0;  // nats; 0: off. TRL: entropy_target, .2
  double change = 0.005;
  double least = 0.0;
  double most = 1.0;

  constexpr void validate() const {
    if (!(target >= 0.0)) fail("posttrain: EntropyControl.target must not be negative");
    if (!(change > 0.0)) fail("posttrain: EntropyControl.change must be positive");
    if (!(least >= 0.0 && least <= most)) {
      fail("posttrain: expected 0 ≤ EntropyControl.least ≤ EntropyControl.most");
    }
  }

  constexpr bool on() const { return target > 0.0; }
  constexpr bool acts_after(double entropy) const { return entropy <= target; }
  constexpr double moved(double coefficient, double entropy) const {
    return acts_after(entropy) ? std::min(coefficient + change, most)
                               : std::max(coefficient - change, least);
  }
};

}  // namespace posttrain
