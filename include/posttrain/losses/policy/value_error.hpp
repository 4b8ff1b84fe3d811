// SPDX-License-Identifier: Apache-2.0
// What a critic is trained on: half the squared distance to the return, the greater one of the
// value and of the value that stays near the one before the update (PPO's implementations; TRL:
// cliprange_value, verl: cliprange_value):
//
//   ½ max((V − R)², (clip(V, V_old ± c) − R)²)
#pragma once

#include "posttrain/batch/rollouts.hpp"
#include "posttrain/tensor/metric_means.hpp"

namespace posttrain {

/// The error of each prediction, [P]. `values` [P] carry the graph; `clip` 0: no bound.
Tensor value_error(const Tensor& values, const RolloutBatch& batch, double clip);

/// Means over the step's tokens: value/loss, value/mean, value/error (the squared distance without
/// a bound), value/clip_ratio (the share whose bound counts), return/mean, return/mean_square. The
/// variance that the critic explains is 1 − error / (mean_square − mean²).
void measure_values(const Tensor& values, const RolloutBatch& batch, double clip,
                    MetricMeans& means);

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/policy/impl/value_error.ipp"
#endif
