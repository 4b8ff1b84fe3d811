// SPDX-License-Identifier: Apache-2.0
// One ratio for all tokens of a sample (GSPO, arXiv 2507.18071):
//
//   w = exp(mean_t d_t),   d = log π − log π_old
//
// In the token form the value is the same, and each token carries its own gradient:
// w_t = exp(sg(mean_t d_t) + d_t − sg(d_t)), so that advantages may differ between tokens (GSPO's
// equation 14). `product` sums d instead, the ratio of whole samples (RLOO, 2402.14740), which
// grows with their length. TRL: importance_sampling_level "sequence".
#pragma once

#include "posttrain/batch/rollouts.hpp"
#include "posttrain/fwd.hpp"
#include "posttrain/tensor/operators.hpp"
#include "posttrain/tensor/tensor.hpp"

namespace posttrain {

/// Sums over the trained tokens of each sample, given to each of them: value [P] → [P].
Tensor sample_sums(const Tensor& value, const RolloutBatch& batch);

/// Means likewise.
Tensor sample_means(const Tensor& value, const RolloutBatch& batch);

enum class SequenceForm {
  sequence,  // the gradient of a sample's ratio goes to all of its tokens
  token,     // each token's goes to itself
  product    // as sequence, of the sum
};

struct SequenceRatio {
  static constexpr bool row_local = false;

  SequenceForm form = SequenceForm::sequence;

  Tensor operator()(const Tensor& log_ratio, const Tensor&, const RolloutBatch& batch) const {
    switch (form) {
      case SequenceForm::sequence:
        return sample_means(log_ratio, batch);
      case SequenceForm::token:
        return sample_means(log_ratio.detach(), batch) + (log_ratio - log_ratio.detach());
      case SequenceForm::product:
        return sample_sums(log_ratio, batch);
    }
    return log_ratio;
  }
};

}  // namespace posttrain

#ifndef POSTTRAIN_COMPILED
#include "posttrain/losses/policy/impl/sequence_ratio.ipp"
#endif
