// SPDX-License-Identifier: Apache-2.0
// Definitions of covariance_kl.hpp, compiled once (base/compiled.hpp).
#pragma once

#include "posttrain/base/compiled.hpp"
#include "posttrain/losses/policy/covariance_kl.hpp"
#include "posttrain/tensor/ops.hpp"

namespace posttrain {

POSTTRAIN_INLINE CovarianceKl::Statistics CovarianceKl::gather(
    const std::vector<PolicyTokens>& step) const {
  Statistics statistics;
  statistics.means = covariance_means(step);
  Tensors all;
  for (const PolicyTokens& tokens : step) {
    all.push_back(covariances(tokens, statistics.means));
  }
  const Tensor joined = at::cat(all);
  const std::int64_t count = joined.numel();
  if (count == 0) return {statistics.means, at::zeros({}, joined.options())};
  statistics.threshold = std::get<0>(joined.kthvalue(count + 1 - share_of(share, count)));
  return statistics;
}

POSTTRAIN_INLINE Tensor CovarianceKl::operator()(const PolicyTokens& tokens,
                                                 const Statistics& statistics) const {
  const Tensor loss = -(tokens.ratio * tokens.advantage);
  const Tensor distance = coefficient * log(tokens.ratio).abs();
  const Tensor far = covariances(tokens, statistics.means) >= statistics.threshold;
  return (loss + distance).where(far, loss);
}

}  // namespace posttrain
