// SPDX-License-Identifier: Apache-2.0
// The soft weight of VESPO (arXiv 2602.10693, equation 20): −sg(φ(w)) A log p, with
//
//   φ(w) = w^power · exp(decay · (1 − w))
//
// of w the ratio of the whole sample (losses/policy/sampled_ratio.hpp). φ(1) = 1; the power fades
// samples that the policy has left (w < 1), the exponential those that it has come to like (w > 1),
// and no ratio makes φ larger than (power / decay)^power · e^(decay − power): 1.21 and 1.24 by
// default. TRL: loss_type "vespo", whose vespo_k_… are the powers, vespo_lambda_… the decays.
#pragma once

#include "posttrain/base/error.hpp"
#include "posttrain/batch/rollouts.hpp"
#include "posttrain/tensor/metric_means.hpp"
#include "posttrain/tensor/operators.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

struct GammaWeight {
  double power = 1.0;
  double decay = 1.0;

  /// φ of ratios, in log space.
  Tensor operator()(const Tensor& ratio) const {
    return exp(power * log(ratio) + decay * (1.0 - ratio));
  }
};

struct VespoTerm {
  GammaWeight positive{.power = 2.0, .decay = 3.0};  // where A ≥ 0
  GammaWeight negative{.power = 3.0, .decay = 2.0};

  constexpr void validate() const {
    for (const GammaWeight& weight : {positive, negative}) {
      if (!(weight.power > 0.0 && weight.decay > 0.0)) {
        fail("posttrain: VespoTerm's powers and decays must be positive");
      }
    }
  }

  Tensor operator()(const Tensor& ratio, const Tensor& logps, const Tensor& advantage) const {
    return -(weights(ratio.detach(), advantage) * advantage * logps);
  }

  /// TRL's vespo/phi_seq_mean: the mean of φ over the samples of the step.
  void measure(const Tensor& ratio, const RolloutBatch& batch, MetricMeans& means) const {
    const Tensor share = batch.length.reciprocal();  // of a token in its sample
    means.add("vespo/phi_seq_mean", (weights(ratio, batch.advantage) * share).sum(at::kDouble),
              share.sum(at::kDouble));
  }

 private:
  Tensor weights(const Tensor& ratio, const Tensor& advantage) const {
    return positive(ratio).where(advantage.ge(0.0), negative(ratio));
  }
};

}  // namespace posttrain
