// SPDX-License-Identifier: Apache-2.0
// The divergence mask of DPPO (arXiv 2602.04879) with total variation: −sg(min(w, cap)) A log p of
// tokens whose probability has not moved too far,
//
//   A > 0: π − π_old ≤ high,   A ≤ 0: π − π_old ≥ −low
//
// so that a rare token may change by a large factor and a likely one may not. verl: dppo_tv. The
// ratio is that to the old policy; the paper's is to the engine that sampled, which is the same
// here unless samples are foreign.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/losses/policy/clip.hpp"

namespace posttrain {

struct DppoTerm {
  double low = 0.2;
  double high = 0.2;
  double cap = 20.0;

  constexpr void validate() const {
    if (!(low >= 0.0 && high >= 0.0)) fail("posttrain: DppoTerm's bounds must not be negative");
    if (!(cap >= 1.0)) fail("posttrain: DppoTerm.cap must be at least 1");
  }

  Tensor operator()(const Tensor& ratio, const Tensor& logps, const Tensor& advantage) const {
    const Tensor weight = ratio.detach();
    const ClippedRatios gone = moved_too_far(weight, logps.detach(), advantage);
    const Tensor loss = -(weight.clamp_max(cap) * advantage * logps);
    return loss.masked_fill(gone.low.logical_or(gone.high), 0.0);
  }

  ClippedRatios clipped(const Tensor& ratio, const Tensor& logps, const Tensor& advantage) const {
    return moved_too_far(ratio, logps, advantage);
  }

 private:
  ClippedRatios moved_too_far(const Tensor& ratio, const Tensor& logps,
                              const Tensor& advantage) const {
    const Tensor change = exp(logps) * (1.0 - ratio.reciprocal());  // π − π_old
    return {change.lt(-low).logical_and(advantage.le(0.0)),
            change.gt(high).logical_and(advantage.gt(0.0))};
  }
};

}  // namespace posttrain
